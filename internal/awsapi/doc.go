// Package awsapi is the front door: one http.Handler, on one port, for every AWS
// API that Berth answers. It knows protocols and callers and no domain: domain
// services hand it operations (a name and a function from the SDK's input to
// its output), and only the composition root imports it.
//
//	request ─► read ─► route ─► authenticate ─► decode ─► authorise ─► validate ─► dispatch ─► encode
//	                     │            │            │           │            │           │
//	                     └────────────┴────────────┴───────────┴────────────┴───────────┴─► refusal
//
// A request belongs to the service that its credential scope names; the
// operation is then found by method and path (rest-json) or by Action (query).
// Refusals are *fault.Error, written in the protocol's own form; everything
// else that fails is an internal failure with a request id, whose cause only
// the log sees. A refusal of the route is told to authenticated callers only.
//
// An operation that the model has and Berth has not is answered with
// NotImplemented (400, so that SDKs do not retry), never with a made-up success.
package awsapi
