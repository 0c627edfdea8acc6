package eks_test

import clientv3 "go.etcd.io/etcd/client/v3"

var prefixOption = clientv3.WithPrefix()
