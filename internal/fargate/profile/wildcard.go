package profile

// Wildcard says whether text matches pattern, in which * stands for any
// characters, also none, ? for exactly one, and everything else for itself.
// It never looks back past the last *, so the work is bounded by
// len(pattern)·len(text) whatever the pattern, and it allocates nothing.
func Wildcard(pattern, text string) bool {
	p, t := 0, 0
	// star is the last * seen, resume the place in text it has reached.
	star, resume := -1, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			resume++
			p, t = star+1, resume
		default:
			return false
		}
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}
