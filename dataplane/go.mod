module berth.dev/berth/dataplane

go 1.26.0
