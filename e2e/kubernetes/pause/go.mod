module voip.dev/e2e/kubernetes/pause

go 1.26
