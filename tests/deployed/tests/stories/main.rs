//! End-to-end: what is deployed, driven as consumers drive it, under the faults of a cluster.

mod files;
