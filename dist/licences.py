#!/usr/bin/env python3
"""Writes what the programs are made of: THIRD-PARTY.txt, with all licences, and sbom.cdx.json, in CycloneDX's format.

    dist/licences.py OUT

Everything that is linked into `pylmd`, `pylm-worker`, `pylm` and the plugins that ship is there, as `cargo metadata` has it, and the C and
C++ libraries that two of the crates carry. Needs cargo, and the crates' sources, which a build has fetched.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = "x86_64-unknown-linux-gnu"
#: What is shipped, beside everything in the folder `plugins`.
SHIPPED = {"pylmd", "pylm-cli", "shout"}
#: Libraries that a crate builds from source that it carries: crate, name, version, licence.
CARRIED = (
    ("zmq-sys", "libzmq", "4.3.5", "MPL-2.0"),
    ("libsodium-sys-stable", "libsodium", "stable", "ISC"),
)


def metadata() -> dict[str, Any]:
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", TARGET]
    told = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    facts: dict[str, Any] = json.loads(told.stdout)
    return facts


def linked(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The packages that what is shipped depends on, without what only builds or tests need."""
    packages = {package["id"]: package for package in facts["packages"]}
    nodes = {node["id"]: node for node in facts["resolve"]["nodes"]}

    def ships(package: dict[str, Any]) -> bool:
        return package["name"] in SHIPPED or Path(package["manifest_path"]).parent.parent == ROOT / "plugins"

    left = [name for name in facts["workspace_members"] if ships(packages[name])]
    found: set[str] = set()
    while left:
        name = left.pop()
        # What runs in the compiler is not linked in.
        is_macro = any("proc-macro" in target["kind"] for target in packages[name]["targets"])
        if name not in found and not is_macro:
            found.add(name)
            for dependency in nodes[name]["deps"]:
                if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                    left.append(dependency["pkg"])
    return sorted((packages[name] for name in found), key=lambda package: (package["name"], package["version"]))


def texts(package: dict[str, Any]) -> list[Path]:
    folder = Path(package["manifest_path"]).parent
    names = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")
    return sorted(path for path in folder.iterdir() if path.is_file() and path.name.upper().startswith(names))


def third_party(packages: list[dict[str, Any]]) -> str:
    """The list of all, and behind it each text once, with whose it is."""
    foreign = [package for package in packages if package["source"]]
    lines = ["What pylmd is linked with, and under which licences.", ""]
    lines += [f"{package['name']} {package['version']}: {package['license']}" for package in foreign]
    lines += [f"{name} {version}, within {crate}: {licence}" for crate, name, version, licence in CARRIED]
    owners: dict[str, list[str]] = {}
    for package in foreign:
        for path in texts(package):
            text = path.read_text(errors="replace").strip()
            owners.setdefault(text, []).append(f"{package['name']} {package['version']}")
    for text, names in owners.items():
        lines += ["", "=" * 100, ", ".join(sorted(set(names))), "-" * 100, text]
    return "\n".join(lines) + "\n"


def component(name: str, version: str, licence: str, source: str | None) -> dict[str, Any]:
    reference = f"pkg:cargo/{name}@{version}" if source else f"pkg:generic/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": reference,
        "name": name,
        "version": version,
        "licenses": [{"expression": licence.replace("/", " OR ")}],
        "purl": reference,
    }


def bill(packages: list[dict[str, Any]]) -> dict[str, Any]:
    ours = next(package for package in packages if package["name"] == "pylmd")
    components = [
        component(package["name"], package["version"], package["license"], package["source"]) for package in packages
    ]
    components += [component(name, version, licence, None) for _, name, version, licence in CARRIED]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(components))}",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "pylmd", "version": ours["version"]}},
        "components": components,
    }


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    packages = linked(metadata())
    (out / "THIRD-PARTY.txt").write_text(third_party(packages))
    (out / "sbom.cdx.json").write_text(json.dumps(bill(packages), indent=1) + "\n")


if __name__ == "__main__":
    main()
