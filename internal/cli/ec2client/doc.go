// Package ec2client is a small client of EC2: the few operations that a
// cluster's network is made of, over the ec2Query protocol. It stands for the
// SDK's own client, whose compilation takes gigabytes of memory. It decides
// nothing. The cli package and those below it import it.
package ec2client
