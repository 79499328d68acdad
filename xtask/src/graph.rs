//! The packages of the workspace and of everything below it, as `cargo metadata` tells them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::cargo;

/// All packages, by cargo's identifier.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) packages: BTreeMap<String, Package>,
}

/// One package.
#[derive(Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The SPDX expression, where the package states one.
    pub(crate) licence: Option<String>,
    /// Whether it belongs to the workspace.
    pub(crate) place: Place,
    /// What its manifest asks for.
    pub(crate) asks: Vec<Ask>,
    /// What its `default` feature turns on.
    pub(crate) default_features: Vec<String>,
    /// Identifiers of the packages that are built into it, with all features on.
    pub(crate) links: Vec<String>,
    pub(crate) targets: Vec<Target>,
}

/// Where a package lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the workspace.
    Workspace,
    /// In a registry.
    #[default]
    Outside,
}

/// One dependency as written in a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// The section of the manifest a dependency is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Normal,
    /// Normal, with `optional = true`.
    Optional,
    Build,
    Dev,
}

/// One build target.
#[derive(Debug, Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
}

impl Graph {
    /// Asks cargo for the graph on the platforms exithand is for.
    pub(crate) fn load() -> anyhow::Result<Self> {
        let metadata: Metadata = cargo::json(&mut cargo::command([
            "metadata",
            "--format-version=1",
            "--locked",
            "--all-features",
            "--filter-platform=x86_64-unknown-linux-gnu",
            "--filter-platform=aarch64-unknown-linux-gnu",
        ]))?;
        Ok(metadata.into_graph())
    }

    /// The packages of the workspace.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .values()
            .filter(|it| it.place == Place::Workspace)
    }

    /// Everything built into the member called `name`, at any depth, by name.
    pub(crate) fn built_into(&self, name: &str) -> BTreeSet<&str> {
        let mut todo: Vec<&str> = self
            .members()
            .filter(|it| it.name == name)
            .flat_map(Package::link_ids)
            .collect();
        let mut seen = BTreeSet::new();
        while let Some(id) = todo.pop() {
            if let Some(package) = self.packages.get(id)
                && seen.insert(id)
            {
                todo.extend(package.link_ids());
            }
        }
        seen.iter()
            .filter_map(|id| self.packages.get(*id))
            .map(|it| it.name.as_str())
            .collect()
    }
}

impl Package {
    fn link_ids(&self) -> impl Iterator<Item = &str> {
        self.links.iter().map(String::as_str)
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<RawPackage>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct RawPackage {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    dependencies: Vec<RawAsk>,
    features: BTreeMap<String, Vec<String>>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct RawAsk {
    name: String,
    kind: Option<String>,
    optional: bool,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Metadata {
    fn into_graph(self) -> Graph {
        let mut links: BTreeMap<String, Vec<String>> = self
            .resolve
            .nodes
            .into_iter()
            .map(|node| {
                let normal = |edge: &Edge| edge.dep_kinds.iter().any(|it| it.kind.is_none());
                (
                    node.id,
                    node.deps
                        .into_iter()
                        .filter(normal)
                        .map(|it| it.pkg)
                        .collect(),
                )
            })
            .collect();
        let members = self.workspace_members;
        let packages = self.packages.into_iter().map(|mut raw| {
            let package = Package {
                place: if members.contains(&raw.id) {
                    Place::Workspace
                } else {
                    Place::Outside
                },
                links: links.remove(&raw.id).unwrap_or_default(),
                asks: raw.dependencies.into_iter().map(RawAsk::into_ask).collect(),
                default_features: raw.features.remove("default").unwrap_or_default(),
                name: raw.name,
                version: raw.version,
                licence: raw.license,
                targets: raw.targets,
            };
            (raw.id, package)
        });
        Graph {
            packages: packages.collect(),
        }
    }
}

impl RawAsk {
    fn into_ask(self) -> Ask {
        let kind = match (self.kind.as_deref(), self.optional) {
            (Some("dev"), _) => Kind::Dev,
            (Some("build"), _) => Kind::Build,
            (_, true) => Kind::Optional,
            (_, false) => Kind::Normal,
        };
        Ask {
            name: self.name,
            kind,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Metadata, Place};

    #[test]
    fn reads_what_cargo_prints() {
        let metadata: Metadata = serde_json::from_str(
            r#"{
                "packages": [
                    {"id": "a", "name": "a", "version": "0.1.0", "license": "MIT", "targets": [],
                     "features": {"default": ["x"], "x": ["dep:b"]},
                     "dependencies": [
                        {"name": "b", "kind": null, "optional": true},
                        {"name": "c", "kind": "dev", "optional": false},
                        {"name": "d", "kind": "build", "optional": false}]},
                    {"id": "b", "name": "b", "version": "1.0.0", "license": null, "targets": [],
                     "features": {}, "dependencies": []}],
                "workspace_members": ["a"],
                "resolve": {"nodes": [
                    {"id": "a", "deps": [
                        {"pkg": "b", "dep_kinds": [{"kind": null}]},
                        {"pkg": "c", "dep_kinds": [{"kind": "dev"}]}]},
                    {"id": "b", "deps": []}]}
            }"#,
        )
        .unwrap();
        let graph = metadata.into_graph();
        let a = &graph.packages["a"];
        assert_eq!(a.place, Place::Workspace);
        assert_eq!(a.default_features, ["x"]);
        let kinds: Vec<Kind> = a.asks.iter().map(|it| it.kind).collect();
        assert_eq!(kinds, [Kind::Optional, Kind::Dev, Kind::Build]);
        assert_eq!(graph.built_into("a").into_iter().collect::<Vec<_>>(), ["b"]);
    }
}
