// Package linux makes a vpcnet.Plan true on a Linux host, and runs things inside
// a plan's network namespace.
//
// It decides nothing about a VPC; package vpcnet does. It keeps no state of its
// own beside what the kernel holds and one small file with the host's previous
// settings, so that every method can be called again after a crash, by another
// process, and CleanUp needs to know nothing but the instance's tag.
//
// It is the only package that may import netlink, netns or nftables libraries.
// It needs root and the nft program (Debian package nftables). Only the agent
// and the composition root may import it.
package linux
