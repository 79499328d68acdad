//! The engine of `kill` against real trees and cgroups that fork, detach, exec and refuse.

mod cgroup;
mod stage;
mod tree;
