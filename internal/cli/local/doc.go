// Package local has the commands that manage the Berth of this machine: server,
// up, down, env, status, doctor and image. Unlike the other commands they know
// the server's options and its data folder. The app package imports it.
package local
