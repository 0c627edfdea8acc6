package server

import (
	"berth.dev/berth/internal/awsapi"
	"berth.dev/berth/internal/ec2"
	"berth.dev/berth/internal/eks"
	"berth.dev/berth/internal/iam"
	"berth.dev/berth/internal/sts"
)

// eksOperations are the operations of EKS that are implemented.
func eksOperations(s *eks.Service) []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("CreateAccessEntry", s.CreateAccessEntry),
		awsapi.Op("CreateCluster", s.CreateCluster),
		awsapi.Op("CreateFargateProfile", s.CreateFargateProfile),
		awsapi.Op("DeleteAccessEntry", s.DeleteAccessEntry),
		awsapi.Op("DeleteCluster", s.DeleteCluster),
		awsapi.Op("DeleteFargateProfile", s.DeleteFargateProfile),
		awsapi.Op("DescribeAccessEntry", s.DescribeAccessEntry),
		awsapi.Op("DescribeCluster", s.DescribeCluster),
		awsapi.Op("DescribeClusterVersions", s.DescribeClusterVersions),
		awsapi.Op("DescribeFargateProfile", s.DescribeFargateProfile),
		awsapi.Op("ListAccessEntries", s.ListAccessEntries),
		awsapi.Op("ListAddons", s.ListAddons),
		awsapi.Op("ListClusters", s.ListClusters),
		awsapi.Op("ListFargateProfiles", s.ListFargateProfiles),
		awsapi.Op("ListNodegroups", s.ListNodegroups),
		awsapi.Op("ListTagsForResource", s.ListTagsForResource),
		awsapi.Op("TagResource", s.TagResource),
		awsapi.Op("UntagResource", s.UntagResource),
	}
}

// iamOperations are the operations of IAM that are implemented.
func iamOperations(s *iam.Service) []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("AttachRolePolicy", s.AttachRolePolicy),
		awsapi.Op("AttachUserPolicy", s.AttachUserPolicy),
		awsapi.Op("CreateAccessKey", s.CreateAccessKey),
		awsapi.Op("CreatePolicy", s.CreatePolicy),
		awsapi.Op("CreateRole", s.CreateRole),
		awsapi.Op("CreateServiceLinkedRole", s.CreateServiceLinkedRole),
		awsapi.Op("CreateUser", s.CreateUser),
		awsapi.Op("DeleteAccessKey", s.DeleteAccessKey),
		awsapi.Op("DeletePolicy", s.DeletePolicy),
		awsapi.Op("DeleteRole", s.DeleteRole),
		awsapi.Op("DeleteRolePolicy", s.DeleteRolePolicy),
		awsapi.Op("DeleteUser", s.DeleteUser),
		awsapi.Op("DeleteUserPolicy", s.DeleteUserPolicy),
		awsapi.Op("DetachRolePolicy", s.DetachRolePolicy),
		awsapi.Op("DetachUserPolicy", s.DetachUserPolicy),
		awsapi.Op("GetPolicy", s.GetPolicy),
		awsapi.Op("GetPolicyVersion", s.GetPolicyVersion),
		awsapi.Op("GetRole", s.GetRole),
		awsapi.Op("GetRolePolicy", s.GetRolePolicy),
		awsapi.Op("GetUser", s.GetUser),
		awsapi.Op("GetUserPolicy", s.GetUserPolicy),
		awsapi.Op("ListAccessKeys", s.ListAccessKeys),
		awsapi.Op("ListAttachedRolePolicies", s.ListAttachedRolePolicies),
		awsapi.Op("ListAttachedUserPolicies", s.ListAttachedUserPolicies),
		awsapi.Op("ListPolicies", s.ListPolicies),
		awsapi.Op("ListPolicyVersions", s.ListPolicyVersions),
		awsapi.Op("ListRolePolicies", s.ListRolePolicies),
		awsapi.Op("ListRoleTags", s.ListRoleTags),
		awsapi.Op("ListRoles", s.ListRoles),
		awsapi.Op("ListUserPolicies", s.ListUserPolicies),
		awsapi.Op("ListUserTags", s.ListUserTags),
		awsapi.Op("ListUsers", s.ListUsers),
		awsapi.Op("PutRolePolicy", s.PutRolePolicy),
		awsapi.Op("PutUserPolicy", s.PutUserPolicy),
		awsapi.Op("TagRole", s.TagRole),
		awsapi.Op("TagUser", s.TagUser),
		awsapi.Op("UntagRole", s.UntagRole),
		awsapi.Op("UntagUser", s.UntagUser),
		awsapi.Op("UpdateAccessKey", s.UpdateAccessKey),
		awsapi.Op("UpdateAssumeRolePolicy", s.UpdateAssumeRolePolicy),
		awsapi.Op("UpdateRole", s.UpdateRole),
	}
}

// stsOperations are the operations of STS that are implemented.
func stsOperations(s *sts.Service) []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("AssumeRole", s.AssumeRole).Unchecked(),
		awsapi.Op("GetAccessKeyInfo", s.GetAccessKeyInfo),
		awsapi.Op("GetCallerIdentity", s.GetCallerIdentity).Unchecked(),
		awsapi.Op("GetSessionToken", s.GetSessionToken).Unchecked(),
	}
}

// ec2Operations are the operations of EC2 that are implemented.
func ec2Operations(s *ec2.Service) []awsapi.Operation {
	return []awsapi.Operation{
		awsapi.Op("AllocateAddress", s.AllocateAddress),
		awsapi.Op("AssociateRouteTable", s.AssociateRouteTable),
		awsapi.Op("AttachInternetGateway", s.AttachInternetGateway),
		awsapi.Op("AuthorizeSecurityGroupEgress", s.AuthorizeSecurityGroupEgress),
		awsapi.Op("AuthorizeSecurityGroupIngress", s.AuthorizeSecurityGroupIngress),
		awsapi.Op("CreateInternetGateway", s.CreateInternetGateway),
		awsapi.Op("CreateNatGateway", s.CreateNatGateway),
		awsapi.Op("CreateNetworkInterface", s.CreateNetworkInterface),
		awsapi.Op("CreateRoute", s.CreateRoute),
		awsapi.Op("CreateRouteTable", s.CreateRouteTable),
		awsapi.Op("CreateSecurityGroup", s.CreateSecurityGroup),
		awsapi.Op("CreateSubnet", s.CreateSubnet),
		awsapi.Op("CreateTags", s.CreateTags),
		awsapi.Op("CreateVpc", s.CreateVpc),
		awsapi.Op("DeleteInternetGateway", s.DeleteInternetGateway),
		awsapi.Op("DeleteNatGateway", s.DeleteNatGateway),
		awsapi.Op("DeleteNetworkInterface", s.DeleteNetworkInterface),
		awsapi.Op("DeleteRoute", s.DeleteRoute),
		awsapi.Op("DeleteRouteTable", s.DeleteRouteTable),
		awsapi.Op("DeleteSecurityGroup", s.DeleteSecurityGroup),
		awsapi.Op("DeleteSubnet", s.DeleteSubnet),
		awsapi.Op("DeleteTags", s.DeleteTags),
		awsapi.Op("DeleteVpc", s.DeleteVpc),
		awsapi.Op("DescribeAccountAttributes", s.DescribeAccountAttributes),
		awsapi.Op("DescribeAddresses", s.DescribeAddresses),
		awsapi.Op("DescribeAvailabilityZones", s.DescribeAvailabilityZones),
		awsapi.Op("DescribeDhcpOptions", s.DescribeDhcpOptions),
		awsapi.Op("DescribeInternetGateways", s.DescribeInternetGateways),
		awsapi.Op("DescribeNatGateways", s.DescribeNatGateways),
		awsapi.Op("DescribeNetworkInterfaces", s.DescribeNetworkInterfaces),
		awsapi.Op("DescribeRegions", s.DescribeRegions),
		awsapi.Op("DescribeRouteTables", s.DescribeRouteTables),
		awsapi.Op("DescribeSecurityGroupRules", s.DescribeSecurityGroupRules),
		awsapi.Op("DescribeSecurityGroups", s.DescribeSecurityGroups),
		awsapi.Op("DescribeSubnets", s.DescribeSubnets),
		awsapi.Op("DescribeTags", s.DescribeTags),
		awsapi.Op("DescribeVpcAttribute", s.DescribeVpcAttribute),
		awsapi.Op("DescribeVpcs", s.DescribeVpcs),
		awsapi.Op("DetachInternetGateway", s.DetachInternetGateway),
		awsapi.Op("DisassociateRouteTable", s.DisassociateRouteTable),
		awsapi.Op("ModifySubnetAttribute", s.ModifySubnetAttribute),
		awsapi.Op("ModifyVpcAttribute", s.ModifyVpcAttribute),
		awsapi.Op("ReleaseAddress", s.ReleaseAddress),
		awsapi.Op("ReplaceRoute", s.ReplaceRoute),
		awsapi.Op("ReplaceRouteTableAssociation", s.ReplaceRouteTableAssociation),
		awsapi.Op("RevokeSecurityGroupEgress", s.RevokeSecurityGroupEgress),
		awsapi.Op("RevokeSecurityGroupIngress", s.RevokeSecurityGroupIngress),
	}
}
