//! The bill of materials of the static program, in the form of `CycloneDX` 1.5.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, anyhow};
use serde::Deserialize;
use serde_json::{Value, json};

use super::release::Release;
use super::tool;
use crate::cargo;

const ROOT: &str = "exithand-cli";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Clone, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    description: Option<String>,
    repository: Option<String>,
    source: Option<String>,
    manifest_path: PathBuf,
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

/// What is in the lock file of a package.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Locked {
    name: String,
    version: String,
}

/// Lists everything that is linked into the command.
pub(super) fn write(release: &Release) -> anyhow::Result<String> {
    let metadata: Metadata = cargo::json(&mut cargo::command([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform=x86_64-unknown-linux-gnu",
    ]))?;
    let lock = cargo::root().join("Cargo.lock");
    let lock = fs::read_to_string(&lock).with_context(|| format!("read {}", lock.display()))?;
    let mut bill = bill(&metadata, &checksums(&lock))?;
    let linked = bill["components"].as_array_mut().context("no list")?;
    linked.extend(sqlite(&metadata)?);
    linked.push(glibc()?);
    bill["metadata"]["timestamp"] = json!(release.date("+%Y-%m-%dT%H:%M:%SZ")?);
    Ok(format!("{bill:#}\n"))
}

fn bill(metadata: &Metadata, checksums: &BTreeMap<Locked, String>) -> anyhow::Result<Value> {
    let packages = metadata.packages.iter().map(|it| (it.id.as_str(), it));
    let packages: BTreeMap<&str, &Package> = packages.collect();
    let nodes = metadata.resolve.nodes.iter();
    let links: BTreeMap<&str, Vec<&str>> = nodes.map(|it| (it.id.as_str(), it.links())).collect();
    let root = metadata.packages.iter().find(|it| it.name == ROOT);
    let root = root.with_context(|| format!("no package {ROOT}"))?;
    let mut todo = vec![root.id.as_str()];
    let mut seen = BTreeSet::new();
    while let Some(id) = todo.pop() {
        if seen.insert(id) {
            todo.extend(links.get(id).into_iter().flatten());
        }
    }
    let find = |id: &str| {
        let found = packages.get(id).copied();
        found.ok_or_else(|| anyhow!("cargo metadata does not describe {id}"))
    };
    let mut components = Vec::new();
    let mut dependencies = Vec::new();
    for id in &seen {
        let package = find(id)?;
        let below = links.get(id).into_iter().flatten();
        let below: anyhow::Result<BTreeSet<String>> =
            below.map(|it| find(it).map(Package::purl)).collect();
        dependencies.push(json!({"ref": package.purl(), "dependsOn": below?}));
        if *id != root.id {
            components.push(package.component("library", checksums));
        }
    }
    let by_reference = |it: &Value| {
        it["bom-ref"]
            .as_str()
            .or(it["ref"].as_str())
            .map(str::to_owned)
    };
    components.sort_by_cached_key(by_reference);
    dependencies.sort_by_cached_key(by_reference);
    let mut command = root.component("application", checksums);
    command["name"] = json!("exithand");
    Ok(json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "tools": {"components": [
                {"type": "application", "name": "exithand xtask", "version": env!("CARGO_PKG_VERSION")}
            ]},
            "component": command,
        },
        "components": components,
        "dependencies": dependencies,
    }))
}

impl Node {
    /// What is linked into it: neither what builds it nor what tests it.
    fn links(&self) -> Vec<&str> {
        let is_linked = |it: &&Edge| it.dep_kinds.iter().any(|it| it.kind.is_none());
        let linked = self.deps.iter().filter(is_linked);
        linked.map(|it| it.pkg.as_str()).collect()
    }
}

impl Package {
    fn purl(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn component(&self, kind: &str, checksums: &BTreeMap<Locked, String>) -> Value {
        let mut component = json!({
            "type": kind,
            "bom-ref": self.purl(),
            "name": self.name,
            "version": self.version,
            "scope": "required",
        });
        if let Some(description) = &self.description {
            component["description"] = json!(description.trim());
        }
        let locked = Locked {
            name: self.name.clone(),
            version: self.version.clone(),
        };
        if let Some(hash) = checksums.get(&locked) {
            component["hashes"] = json!([{"alg": "SHA-256", "content": hash}]);
        }
        if let Some(licence) = &self.license {
            // Old packages write a slash for "or".
            let expression = licence.replace('/', " OR ").replace("  ", " ");
            component["licenses"] = json!([{"expression": expression}]);
        }
        component["purl"] = json!(self.purl());
        if let (Some(url), Some(_)) = (&self.repository, &self.source) {
            component["externalReferences"] = json!([{"type": "vcs", "url": url}]);
        }
        component
    }
}

/// Reads the checksums out of a `Cargo.lock`.
fn checksums(lock: &str) -> BTreeMap<Locked, String> {
    let packages = lock.split("[[package]]").skip(1);
    let read = |text: &str| {
        let field = |name: &str| {
            let mut lines = text.lines();
            let value = lines.find_map(|it| it.strip_prefix(name)?.strip_prefix(" = \""));
            value?.strip_suffix('"').map(str::to_owned)
        };
        let locked = Locked {
            name: field("name")?,
            version: field("version")?,
        };
        Some((locked, field("checksum")?))
    };
    packages.filter_map(read).collect()
}

/// SQLite, which one of the packages brings as C.
fn sqlite(metadata: &Metadata) -> anyhow::Result<Option<Value>> {
    let mut packages = metadata.packages.iter();
    let Some(package) = packages.find(|it| it.name == "libsqlite3-sys") else {
        return Ok(None);
    };
    let header = package.manifest_path.with_file_name("sqlite3/sqlite3.h");
    let text = fs::read_to_string(&header).with_context(|| format!("read {}", header.display()))?;
    let mut lines = text.lines();
    let version = lines.find_map(|it| it.strip_prefix("#define SQLITE_VERSION "));
    let version = version.context("sqlite3.h does not say its version")?;
    let version = version.trim().trim_matches('"');
    Ok(Some(json!({
        "type": "library",
        "bom-ref": format!("pkg:generic/sqlite@{version}"),
        "name": "sqlite",
        "version": version,
        "scope": "required",
        "licenses": [{"license": {"name": "Public Domain"}}],
        "purl": format!("pkg:generic/sqlite@{version}"),
    })))
}

/// The C library of this machine, which is linked in.
fn glibc() -> anyhow::Result<Value> {
    let said = tool::output(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    let version = said.trim().rsplit(' ').next().unwrap_or_default();
    Ok(json!({
        "type": "library",
        "bom-ref": format!("pkg:generic/glibc@{version}"),
        "name": "glibc",
        "version": version,
        "scope": "required",
        "licenses": [{"license": {"id": "LGPL-2.1-or-later"}}],
        "purl": format!("pkg:generic/glibc@{version}"),
    }))
}

/// Says what `CycloneDX` asks for and `text` has not.
pub(super) fn faults(text: &str) -> Vec<String> {
    let bill: Value = match serde_json::from_str(text) {
        Ok(bill) => bill,
        Err(error) => return vec![format!("no JSON: {error}")],
    };
    let mut faults = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            faults.push(what);
        }
    };
    expect(bill["bomFormat"] == "CycloneDX", "no bomFormat".to_owned());
    expect(bill["specVersion"] == "1.5", "no specVersion".to_owned());
    expect(bill["version"].is_u64(), "no version".to_owned());
    let none = Vec::new();
    let components = bill["components"].as_array().unwrap_or(&none);
    let main = &bill["metadata"]["component"];
    let all = || components.iter().chain([main]);
    let references: BTreeSet<&str> = all().filter_map(|it| it["bom-ref"].as_str()).collect();
    expect(
        references.len() == components.len() + 1,
        "components share their bom-ref, or have none".to_owned(),
    );
    for component in all() {
        for field in ["type", "name", "version", "purl"] {
            let is_there = component[field].as_str().is_some_and(|it| !it.is_empty());
            expect(is_there, format!("no {field}: {component}"));
        }
        expect(
            component["licenses"].is_array(),
            format!("no licences: {component}"),
        );
    }
    for dependency in bill["dependencies"].as_array().unwrap_or(&none) {
        let below = dependency["dependsOn"].as_array().unwrap_or(&none);
        for reference in below.iter().chain([&dependency["ref"]]) {
            let is_known = reference.as_str().is_some_and(|it| references.contains(it));
            expect(is_known, format!("{reference} is no component"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Metadata, bill, checksums, faults};

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\n\
        source = \"registry\"\nchecksum = \"abc\"\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n";

    fn example() -> Value {
        let package = |name: &str, licence: &str| {
            serde_json::json!({"id": name, "name": name, "version": "1.0.0", "license": licence,
                "description": null, "repository": null, "source": "registry", "manifest_path": "x"})
        };
        let edge = |name: &str, kind: Option<&str>| serde_json::json!({"pkg": name, "dep_kinds": [{"kind": kind}]});
        let metadata = serde_json::json!({
            "packages": [package("exithand-cli", "MIT"), package("b", "MIT/Apache-2.0"), package("test", "MIT")],
            "resolve": {"nodes": [
                {"id": "exithand-cli", "deps": [edge("b", None), edge("test", Some("dev"))]},
                {"id": "b", "deps": []},
            ]},
        });
        let metadata: Metadata = serde_json::from_value(metadata).unwrap();
        bill(&metadata, &checksums(LOCK)).unwrap()
    }

    #[test]
    fn lists_what_is_linked_and_nothing_else() {
        let bill = example();
        let components = bill["components"].as_array().unwrap();
        assert_eq!(components.len(), 1);
        assert_eq!(components[0]["purl"], "pkg:cargo/b@1.0.0");
        assert_eq!(components[0]["hashes"][0]["content"], "abc");
        assert_eq!(
            components[0]["licenses"][0]["expression"],
            "MIT OR Apache-2.0"
        );
        assert_eq!(bill["metadata"]["component"]["name"], "exithand");
        assert_eq!(faults(&bill.to_string()), Vec::<String>::new());
    }

    #[test]
    fn names_what_is_missing() {
        let mut bill = example();
        bill["components"][0]["purl"] = Value::Null;
        bill["dependencies"][1]["ref"] = Value::from("pkg:cargo/c@1.0.0");
        let found = faults(&bill.to_string());
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(faults("{").len(), 1);
    }
}
