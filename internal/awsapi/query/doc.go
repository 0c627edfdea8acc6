// Package query is the wire format of IAM, STS and their like (protocol
// awsQuery): it decodes form parameters into the SDK's input structs and
// encodes the SDK's output structs as XML, both by reflection over plans that
// are compiled when the server is built. It authenticates nothing, checks no
// constraint and imports no domain; internal/awsapi alone imports it.
//
// A field's wire name is its Go name; a request may also spell it with a small
// first letter, as one shape of STS is. Lists are Name.member.N, maps
// Name.entry.N.key and .value, Name= is an empty list. Parameters that no field
// claims are ignored, values that do not parse are MalformedInput (400). In
// responses nil members are left out, but for the lists of the result itself,
// which AWS always writes. Times are ISO-8601, with seconds.
package query
