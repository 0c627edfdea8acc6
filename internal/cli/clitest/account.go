package clitest

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
)

// Account is the fake; its zero value is not usable, see New.
type Account struct {
	URL  string
	Kube *Kube

	mu       sync.Mutex
	calls    []string
	next     int
	things   []*thing
	roles    map[string]*role
	clusters map[string]*cluster
	// Fail is an error code by operation, answered once.
	fail map[string]string
}

// Cleaner is the part of testing.TB that New needs.
type Cleaner interface{ Cleanup(func()) }

// New starts an account.
func New(t Cleaner) *Account {
	a := &Account{roles: map[string]*role{}, clusters: map[string]*cluster{}, fail: map[string]string{}}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	a.URL = s.URL
	a.Kube = newKube(t)
	return a
}

// Fail makes the next call of an operation answer an error code.
func (a *Account) Fail(operation, code string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail[operation] = code
}

// Calls are the operations that changed something, in order, and forgets them.
func (a *Account) Calls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var changes []string
	for _, c := range a.calls {
		if !strings.HasPrefix(c, "Describe") && !strings.HasPrefix(c, "List") && !strings.HasPrefix(c, "Get") {
			changes = append(changes, c)
		}
	}
	a.calls = nil
	return changes
}

// Left is the number of EC2 things, roles and clusters that exist.
func (a *Account) Left() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.roles) + len(a.clusters)
	for _, x := range a.things {
		if x.state != "deleted" {
			n++
		}
	}
	return n
}

// ServeHTTP dispatches by protocol: query for a POST to the root, else EKS.
func (a *Account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Method == http.MethodPost && r.URL.Path == "/" {
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		a.query(w, r)
		return
	}
	a.eks(w, r)
}

// query serves IAM, STS and EC2.
func (a *Account) query(w http.ResponseWriter, r *http.Request) {
	op := r.Form.Get("Action")
	a.calls = append(a.calls, op)
	w.Header().Set("Content-Type", "text/xml")
	service := "ec2"
	for _, name := range []string{"iam", "sts"} {
		if strings.Contains(r.Header.Get("Authorization"), "/"+name+"/aws4_request") {
			service = name
		}
	}
	code, body := a.fail[op], ""
	delete(a.fail, op)
	switch {
	case code != "":
	case service == "ec2":
		body, code = a.ec2(op, r.Form)
	default:
		body, code = a.iam(op, r.Form)
	}
	switch {
	case code != "" && service == "ec2":
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, "<Response><Errors><Error><Code>%s</Code><Message>%s refused</Message></Error></Errors><RequestID>r</RequestID></Response>", code, op)
	case code != "":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintf(w, "<ErrorResponse><Error><Code>%s</Code><Message>%s refused</Message></Error><RequestId>r</RequestId></ErrorResponse>", code, op)
	case service == "ec2":
		fmt.Fprintf(w, "<%[1]sResponse><requestId>r</requestId>%[2]s</%[1]sResponse>", op, body)
	default:
		fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%[2]s</%[1]sResult></%[1]sResponse>", op, body)
	}
}

const accountID = "123456789012"

type role struct {
	name, trust string
	policies    []string
}

func (r *role) xml() string {
	return fmt.Sprintf("<Role><RoleName>%[1]s</RoleName><Path>/</Path><Arn>arn:aws:iam::%[2]s:role/%[1]s</Arn><RoleId>AROAEXAMPLE</RoleId><CreateDate>2026-03-04T05:06:07Z</CreateDate></Role>", r.name, accountID)
}

func (a *Account) iam(op string, form map[string][]string) (body, code string) {
	get := func(k string) string { return strings.Join(form[k], "") }
	if op == "GetCallerIdentity" {
		return "<Arn>arn:aws:iam::" + accountID + ":user/ann</Arn><UserId>AIDAEXAMPLE</UserId><Account>" + accountID + "</Account>", ""
	}
	r := a.roles[get("RoleName")]
	if op != "CreateRole" && r == nil {
		return "", "NoSuchEntity"
	}
	switch op {
	case "CreateRole":
		r = &role{name: get("RoleName"), trust: get("AssumeRolePolicyDocument")}
		a.roles[r.name] = r
		return r.xml(), ""
	case "GetRole":
		return r.xml(), ""
	case "AttachRolePolicy":
		if !slices.Contains(r.policies, get("PolicyArn")) {
			r.policies = append(r.policies, get("PolicyArn"))
		}
	case "DetachRolePolicy":
		if !slices.Contains(r.policies, get("PolicyArn")) {
			return "", "NoSuchEntity"
		}
		r.policies = slices.DeleteFunc(r.policies, func(p string) bool { return p == get("PolicyArn") })
	case "DeleteRole":
		if len(r.policies) > 0 {
			return "", "DeleteConflict"
		}
		delete(a.roles, r.name)
	default:
		return "", "InvalidAction"
	}
	return "", ""
}

// Trust is the trust policy of the first role whose name contains a text.
func (a *Account) Trust(part string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for name, r := range a.roles {
		if strings.Contains(name, part) {
			return r.trust
		}
	}
	return ""
}

func caData(s *httptest.Server) string {
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}
