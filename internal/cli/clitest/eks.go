package clitest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// cluster is an EKS cluster with its profiles, in the order of their creation.
type cluster struct {
	members  map[string]any
	profiles []map[string]any
}

const createdAt = 1772600767

// AddCluster adds a cluster that the commands did not make.
func (a *Account) AddCluster(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.putCluster(map[string]any{"name": name, "version": "1.36", "resourcesVpcConfig": map[string]any{"subnetIds": []string{"subnet-b", "subnet-a"}}}).members["status"] = "ACTIVE"
}

// AddProfile adds an ACTIVE profile, as the service would answer it.
func (a *Account) AddProfile(cluster string, profile map[string]any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	profile["status"] = "ACTIVE"
	a.clusters[cluster].profiles = append(a.clusters[cluster].profiles, profile)
}

// Cluster are the members of the request that made a cluster.
func (a *Account) Cluster(name string) map[string]any {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.clusters[name].members
}

func (a *Account) putCluster(in map[string]any) *cluster {
	c := &cluster{members: in}
	name := in["name"].(string)
	in["arn"] = "arn:aws:eks:us-east-1:" + accountID + ":cluster/" + name
	in["status"], in["createdAt"] = "CREATING", createdAt
	in["endpoint"] = a.Kube.server.URL
	in["certificateAuthority"] = map[string]any{"data": caData(a.Kube.server)}
	if vpc, ok := in["resourcesVpcConfig"].(map[string]any); ok {
		vpc["vpcId"] = "vpc-0001"
	}
	a.clusters[name] = c
	return c
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, code, format string, args ...any) {
	w.Header().Set("X-Amzn-ErrorType", code)
	answer(w, status, map[string]string{"message": fmt.Sprintf(format, args...)})
}

// eks serves the REST paths: /clusters, /clusters/c, /clusters/c/fargate-profiles/p.
func (a *Account) eks(w http.ResponseWriter, r *http.Request) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	in := map[string]any{}
	if r.Method == http.MethodPost {
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			refuse(w, http.StatusBadRequest, "InvalidRequestException", "%v", err)
			return
		}
	}
	if path[0] == "cluster-versions" {
		answer(w, http.StatusOK, map[string]any{"clusterVersions": []map[string]any{
			{"clusterVersion": "1.36", "defaultVersion": true}, {"clusterVersion": "1.35"},
		}})
		return
	}
	if len(path) == 1 {
		a.eksClusters(w, r, in)
		return
	}
	c := a.clusters[path[1]]
	if c == nil {
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", "No cluster found for name: %s.", path[1])
		return
	}
	if len(path) == 2 {
		a.eksCluster(w, r, path[1], c)
		return
	}
	name := ""
	if len(path) > 3 {
		name = path[3]
	}
	a.eksProfiles(w, r, c, name, in)
}

func (a *Account) eksClusters(w http.ResponseWriter, r *http.Request, in map[string]any) {
	if r.Method == http.MethodPost {
		a.calls = append(a.calls, "CreateCluster")
		if code := a.fail["CreateCluster"]; code != "" {
			delete(a.fail, "CreateCluster")
			refuse(w, http.StatusBadRequest, code, "CreateCluster refused")
			return
		}
		delete(in, "clientRequestToken")
		answer(w, http.StatusOK, map[string]any{"cluster": a.putCluster(in).members})
		return
	}
	names := []string{}
	for name := range a.clusters {
		names = append(names, name)
	}
	slices.Sort(names)
	answer(w, http.StatusOK, map[string]any{"clusters": names})
}

// eksCluster answers one cluster; a state that passes has passed at the next look.
func (a *Account) eksCluster(w http.ResponseWriter, r *http.Request, name string, c *cluster) {
	if r.Method == http.MethodDelete {
		a.calls = append(a.calls, "DeleteCluster")
		if len(c.profiles) > 0 {
			refuse(w, http.StatusConflict, "ResourceInUseException", "Cluster has Fargate profiles attached")
			return
		}
		c.members["status"] = "DELETING"
		answer(w, http.StatusOK, map[string]any{"cluster": c.members})
		return
	}
	answer(w, http.StatusOK, map[string]any{"cluster": c.members})
	switch c.members["status"] {
	case "CREATING":
		c.members["status"] = "ACTIVE"
	case "DELETING":
		delete(a.clusters, name)
	}
}

func (a *Account) eksProfiles(w http.ResponseWriter, r *http.Request, c *cluster, name string, in map[string]any) {
	switch {
	case r.Method == http.MethodPost:
		a.calls = append(a.calls, "CreateFargateProfile")
		for _, p := range c.profiles {
			if p["status"] != "ACTIVE" {
				refuse(w, http.StatusConflict, "ResourceInUseException", "Cannot create Fargate Profile")
				return
			}
		}
		delete(in, "clientRequestToken")
		in["status"], in["createdAt"] = "CREATING", createdAt
		c.profiles = append(c.profiles, in)
		answer(w, http.StatusOK, map[string]any{"fargateProfile": in})
	case name == "":
		names := []any{}
		for _, p := range c.profiles {
			names = append(names, p["fargateProfileName"])
		}
		answer(w, http.StatusOK, map[string]any{"fargateProfileNames": names})
	default:
		a.eksProfile(w, r, c, name)
	}
}

func (a *Account) eksProfile(w http.ResponseWriter, r *http.Request, c *cluster, name string) {
	i := slices.IndexFunc(c.profiles, func(p map[string]any) bool { return p["fargateProfileName"] == name })
	if i < 0 {
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", "No Fargate Profile found with name: %s.", name)
		return
	}
	p := c.profiles[i]
	if r.Method == http.MethodDelete {
		a.calls = append(a.calls, "DeleteFargateProfile")
		p["status"] = "DELETING"
		answer(w, http.StatusOK, map[string]any{"fargateProfile": p})
		return
	}
	answer(w, http.StatusOK, map[string]any{"fargateProfile": p})
	switch p["status"] {
	case "CREATING":
		p["status"] = "ACTIVE"
	case "DELETING":
		c.profiles = slices.Delete(c.profiles, i, i+1)
	}
}
