// Package restjson is the wire format of EKS (protocol restJson1), driven by
// the Smithy schemas that the SDK ships at run time: it routes a method and an
// escaped path to an operation, decodes labels, query and JSON body into the
// SDK's input struct and lets the SDK's output struct write itself as JSON. It
// authenticates nothing and checks no constraint; internal/awsapi alone imports
// it.
//
// Unknown members of a body are ignored and null is absent, as AWS has it. A
// value of the wrong JSON type, and a body that is no JSON object, is a
// SerializationException. Timestamps are seconds since 1970. Traits and shapes
// that EKS does not use (unions, documents, payloads, header members) are
// refused when the codec is built, so that a newer model cannot lose data
// unnoticed.
package restjson
