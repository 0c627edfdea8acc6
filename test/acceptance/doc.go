// Package acceptance proves a whole Berth from outside: its tests start a real
// server process, speak to it as AWS and Kubernetes clients do, kill its
// processes, remove it, and compare the host before and after. It holds nothing
// but tests, and nobody imports it.
//
// The server is the test binary itself, executed again, or the program that
// BERTH_BINARY names. The programs that it runs are looked for in the bin folder
// of the repository, or in BERTH_BIN. What a server said is kept in the folder
// that BERTH_ACCEPTANCE_LOGS names, if any.
package acceptance
