#!/usr/bin/env python3
"""Builds the wheel: the package, and with it the programs and the plugins that ship, which pip puts into bin/ and lib/pylmd/plugins/.

    dist/wheel.py --programs target/release --out target/dist

Needs maturin, as a module of the Python that runs this, cargo, and `strip`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = ("pylmd", "pylm-worker", "pylm")
#: What maturin packs as the wheel's data; it is there only while a wheel is built.
DATA = ROOT / "python" / "pylmd._native.data"


def shipped() -> list[str]:
    """The files of the plugins that ship: those of the folder `plugins`, and the tutorial's first."""
    names = [folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "Cargo.toml").exists()]
    return sorted(f"lib{name.replace('-', '_')}.so" for name in [*names, "shout"])


def stage(programs: Path, notices: Path | None, api: Path | None) -> None:
    """Lays programs and plugins out as pip installs them, without their symbols."""
    scripts, plugins = DATA / "scripts", DATA / "data" / "lib" / "pylmd" / "plugins"
    for folder, names in ((scripts, PROGRAMS), (plugins, shipped())):
        folder.mkdir(parents=True)
        for name in names:
            subprocess.run(["strip", "-o", folder / name, programs / name], check=True)
            shutil.copymode(programs / name, folder / name)
    if notices:
        shutil.copytree(notices, DATA / "data" / "share" / "doc" / "pylmd")
    if api:
        shutil.copytree(api, DATA / "data" / "share" / "pylmd")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="the folder with the built programs and plugins")
    parser.add_argument("--out", type=Path, required=True, help="where the wheel goes")
    parser.add_argument("--notices", type=Path, help="a folder with THIRD-PARTY.txt and sbom.cdx.json, to be carried too")
    parser.add_argument("--api", type=Path, help="a folder with the source of the plugin API, to be carried too")
    parser.add_argument("--profile", default="release", help="cargo's profile for the package's native half")
    parser.add_argument("--auditwheel", default="check", help="skip, check: whether older systems have what the wheel needs")
    options = parser.parse_args()

    shutil.rmtree(DATA, ignore_errors=True)
    maturin = [sys.executable, "-m", "maturin", "build", "--quiet", "--locked", "--profile", options.profile]
    where = ["--manifest-path", ROOT / "python" / "Cargo.toml", "--interpreter", sys.executable, "--out", options.out]
    strip = [] if options.profile == "dev" else ["--strip"]
    try:
        stage(options.programs.resolve(), options.notices, options.api)
        environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        command = [*maturin, *where, *strip, "--auditwheel", options.auditwheel]
        sys.exit(subprocess.run(command, env=environment).returncode)
    finally:
        shutil.rmtree(DATA, ignore_errors=True)


if __name__ == "__main__":
    main()
