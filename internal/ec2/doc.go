// Package ec2 is the part of Amazon EC2 that EKS with Fargate stands on: VPCs,
// subnets, gateways, route tables, elastic addresses, security groups, network
// interfaces and their tags, as records in the store. It touches no network:
// whoever compiles namespaces reads Network and follows VPCsChanged. It is not
// a codec either: requests and responses are structs whose ec2 tags name AWS's
// members, and only the front door reads those. The composition root and the
// front door import it; other domain services reach it through interfaces of
// their own.
//
// A region begins empty: there is no default VPC, and so no default subnet and
// no default group outside a VPC. Quotas of an AWS account are not enforced,
// save that addresses run out.
//
// # Records
//
//	ec2/networks/<vpc>/net/vpc              the VPC and all but its interfaces
//	ec2/networks/<vpc>/net/pool/<subnet>    which addresses of a subnet are taken
//	ec2/networks/<vpc>/eni/<interface>      a network interface
//	ec2/owners/<id>                         the VPC that a part belongs to
//	ec2/internet-gateways/<id>              a gateway, attached or not
//	ec2/addresses/<id>                      an elastic address
//	ec2/address-pool/pool                   which elastic addresses are taken
//	ec2/tokens/<operation>/<token>          what an idempotent request made
//
// One document holds a VPC's subnets, tables, gateways and groups, so that each
// rule between them (no overlap, nothing deleted that is used) is decided on one
// record, and one range reads the whole VPC at one revision. Interfaces are
// records of their own because there are thousands: taking an address reads
// the document and writes the pool of one subnet.
//
// # States
//
// A record with no side effect is available once it is stored. A NAT gateway's
// state is observed, by Reconcile through the Realizer:
//
//	CreateNatGateway ─► pending ── network applied ──► available
//	                       │                               │
//	                       └─ no internet gateway ─► failed│ DeleteNatGateway
//	                                                   │   ▼
//	                            DeleteNatGateway ──────┴► deleting ── network applied ──► deleted
//
// Failed and deleted gateways stay visible for an hour, as on AWS.
package ec2
