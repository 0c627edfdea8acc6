// Package profile has the commands create, get and delete fargateprofile, with
// eksctl's flags, log lines and output, and the making and removing of profiles
// that the cluster commands share. The app package and the cluster commands
// import it.
package profile
