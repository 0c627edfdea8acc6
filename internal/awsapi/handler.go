package awsapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth/internal/awsapi/query"
	"berth.dev/berth/internal/awsapi/restjson"
	"berth.dev/berth/internal/awsapi/sigv4"
	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/id"
	"berth.dev/berth/internal/principal"
	"k8s.io/utils/clock"
)

// MaxBody is the largest request body, in bytes.
const MaxBody = 1 << 20

// Config is what the front door is made of; every field is required.
type Config struct {
	Services   []Service
	Keys       sigv4.Keys
	Authorizer Authorizer
	Clock      clock.PassiveClock
	IDs        id.Source
	Log        *slog.Logger
	// Region is the one whose resources are here; credentials of services that
	// are not global must be scoped to it.
	Region string
}

type handler struct {
	Config
	endpoints map[string]*endpoint // by signing name
	verifier  sigv4.Verifier
}

// New makes the front door. It fails when an operation is not in its service's
// model or has a shape that no codec can carry.
func New(cfg Config) (http.Handler, error) {
	h := &handler{
		Config:    cfg,
		endpoints: map[string]*endpoint{},
		verifier:  sigv4.Verifier{Keys: cfg.Keys, Now: cfg.Clock.Now},
	}
	for _, s := range cfg.Services {
		e, err := newEndpoint(s)
		if err != nil {
			return nil, fmt.Errorf("opening the API %s: %w", s.SigningName, err)
		}
		if h.endpoints[s.SigningName] != nil {
			return nil, fmt.Errorf("opening the API %s: it is there twice", s.SigningName)
		}
		h.endpoints[s.SigningName] = e
	}
	return h, nil
}

// exchange is one request on its way.
type exchange struct {
	http      *http.Request
	request   *wire.Request
	requestID string
	endpoint  *endpoint // nil while no service is known
	call      wire.Call
	operation Operation
	principal principal.Principal
	refused   *fault.Error
}

func (x *exchange) ctx() context.Context { return x.http.Context() }

// ServeHTTP answers one request; a panic is answered and logged too.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := h.Clock.Now()
	x := &exchange{http: r, requestID: h.IDs.UUID()}
	response := h.answer(x)
	header := w.Header()
	for name, value := range response.Header {
		header.Set(name, value)
	}
	header.Set("X-Amzn-Requestid", x.requestID)
	header.Set("Content-Length", strconv.Itoa(len(response.Body)))
	w.WriteHeader(response.Status)
	_, werr := w.Write(response.Body)
	h.log(x, response.Status, h.Clock.Since(start), werr)
}

func (h *handler) answer(x *exchange) (response wire.Response) {
	defer func() {
		if p := recover(); p != nil {
			h.Log.ErrorContext(x.ctx(), "request panicked", "request", x.requestID, "operation", x.call.Operation, "panic", p, "stack", string(debug.Stack()))
			response = x.refuse(fmt.Errorf("panic: %v", p))
		}
	}()
	out, err := h.run(x)
	if err != nil {
		return x.refuse(err)
	}
	response, err = x.endpoint.codec.Encode(x.call, out, x.requestID)
	if err != nil {
		return x.refuse(err)
	}
	return response
}

func (h *handler) run(x *exchange) (any, error) {
	if err := x.read(); err != nil {
		return nil, err
	}
	routing, err := h.route(x)
	if err != nil {
		return nil, err
	}
	if err := h.authenticate(x); err != nil {
		return nil, err
	}
	if routing != nil {
		return nil, routing
	}
	op, implemented := x.endpoint.operations[x.call.Operation]
	if !implemented {
		return nil, fault.New(http.StatusBadRequest, x.endpoint.refusals.notImplemented,
			"The operation %s of %s is not implemented by Berth.", x.call.Operation, x.endpoint.SigningName)
	}
	x.operation = op
	in := reflect.New(op.input).Interface()
	if err := x.endpoint.codec.Decode(x.request, x.call, in); err != nil {
		return nil, err
	}
	if err := h.authorize(x, in); err != nil {
		return nil, err
	}
	if err := x.endpoint.refusals.constrained(x.endpoint.checkers[x.call.Operation].Check(in)); err != nil {
		return nil, err
	}
	return op.invoke(principal.NewContext(x.ctx(), x.principal), in)
}

// read takes the body and, out of a form, the parameters.
func (x *exchange) read() error {
	r := x.http
	x.request = &wire.Request{Method: r.Method, Path: r.URL.EscapedPath(), Header: r.Header}
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxBody+1))
	if err != nil {
		return fault.New(http.StatusBadRequest, "IncompleteBody", "The request body ended early.").Because(err)
	}
	if len(body) > MaxBody {
		return fault.New(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "The request body is larger than %d bytes.", MaxBody)
	}
	x.request.Body = body
	x.request.Query, err = url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return fault.New(http.StatusBadRequest, "MalformedQueryString", "The query string contains a syntax error.").Because(err)
	}
	x.request.Form = x.request.Query
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		return nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return fault.New(http.StatusBadRequest, "MalformedInput", "The form in the request body contains a syntax error.").Because(err)
	}
	for name, values := range x.request.Query {
		if _, twice := form[name]; !twice {
			form[name] = values
		}
	}
	x.request.Form = form
	return nil
}

// route finds service and operation. That the operation is unknown is the
// first result, to be told once the caller is known.
func (h *handler) route(x *exchange) (routing, err error) {
	scope, err := sigv4.Sniff(x.http)
	var refused *sigv4.Error
	switch {
	case errors.As(err, &refused) && refused.Reason == sigv4.Missing:
		var open bool
		if x.endpoint, open = h.anonymous(x.request); !open {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		x.endpoint = h.endpoints[scope.Service]
	}
	if x.endpoint == nil {
		return fault.New(http.StatusNotFound, "UnknownOperationException", "No API of the service %q is served here.", scope.Service), nil
	}
	x.call, routing = x.endpoint.codec.Route(x.request)
	return routing, nil
}

func (h *handler) authenticate(x *exchange) error {
	if x.http.Header.Get("Authorization") == "" && x.endpoint != nil && x.endpoint.operations[x.call.Operation].anonymous && !x.request.Query.Has("X-Amz-Signature") {
		return nil
	}
	p, scope, err := h.verifier.Verify(x.ctx(), x.http, x.request.Body)
	if err != nil {
		return err
	}
	if x.endpoint != nil && !x.endpoint.Global && scope.Region != h.Region {
		return &sigv4.Error{Reason: sigv4.Mismatch, Message: "Credential should be scoped to a valid region, not '" + scope.Region + "'. "}
	}
	x.principal = p
	return nil
}

// refuse writes err in the form of the service, or of the protocol that the
// request looks like.
func (x *exchange) refuse(err error) wire.Response {
	if x.endpoint != nil {
		x.refused = x.endpoint.refusals.asFault(err)
		return x.endpoint.codec.EncodeError(x.refused, x.requestID)
	}
	if x.request != nil && x.request.Form.Has("Action") {
		x.refused = queryDialect.asFault(err)
		return query.EncodeError(x.refused, "", x.requestID)
	}
	x.refused = restDialect.asFault(err)
	return restjson.EncodeError(x.refused)
}

func (h *handler) log(x *exchange, status int, took time.Duration, werr error) {
	level := slog.LevelDebug
	attrs := []slog.Attr{
		slog.String("request", x.requestID),
		slog.String("method", x.http.Method),
		slog.Int("status", status),
		slog.Duration("duration", took),
	}
	if x.endpoint != nil {
		attrs = append(attrs, slog.String("service", x.endpoint.SigningName), slog.String("operation", x.call.Operation))
	}
	if x.principal.UserID != "" {
		attrs = append(attrs, slog.String("principal", x.principal.ARN.String()))
	}
	if x.refused != nil {
		attrs = append(attrs, slog.String("code", x.refused.Code))
		if status >= http.StatusInternalServerError && x.ctx().Err() == nil {
			level = slog.LevelWarn
		}
		if x.refused.Cause != nil {
			attrs = append(attrs, slog.Any("cause", x.refused.Cause))
		}
	}
	if werr != nil {
		attrs = append(attrs, slog.Any("write", werr))
	}
	h.Log.LogAttrs(x.ctx(), level, "answered request", attrs...)
}
