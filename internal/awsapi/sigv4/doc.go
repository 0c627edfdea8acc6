// Package sigv4 verifies AWS Signature Version 4, in the Authorization header
// and in presigned URLs, against keys that a caller-supplied source knows. It
// signs nothing, decides nothing about permission and spells no protocol's
// error codes: a refusal is an *Error with a Reason that each protocol words in
// its own way. The front door and the token verification of clusters import it.
//
// What must hold for a request to be its signer's: the credential scope's date
// is the request's date, the time is within the allowed skew (or, presigned,
// within the URL's lifetime), host and every x-amz-* header are signed, the
// body hashes to what was signed, and the signature is the one that the secret
// gives. Paths are canonicalised as every service but S3 does it: the path as
// sent, encoded once more, without removing dot segments.
package sigv4
