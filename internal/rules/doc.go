// Package rules holds the rules of this repository as tests: what every package
// says of itself, which package may import which, how large things may grow,
// and which words and calls are not used. Its tests read the source of every
// module and build none of it, so that they take about a second and say what is
// wrong before a compiler does. It has no code of its own, and nothing imports
// it.
//
// A rule that stands in the way of something good is changed here, with the
// reason beside it; it is not worked around.
package rules
