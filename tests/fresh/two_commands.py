"""The README's two commands on a Debian with Python, venv, make and git, and nothing else.

Then their set-up once more, for a user who is not root and has no R. `two_commands.py setup` does
the set-up alone, of both.

The systems are made for it from the package sources of this machine. What apt, pip and TLS are
told here (proxies, certificates, indexes) they are told there too; nothing else is taken over.
"""

import ast
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mssvae"
PACKAGES = "python3,python3-venv,make,git"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FOR_TLS = re.compile(r"[A-Z_]*(CERT|CA_BUNDLE|CAINFO)[A-Z_]*|(https?|no)_proxy", re.I)
KEYRINGS = ("/usr/share/keyrings", "/etc/apt/keyrings", "/etc/apt/trusted.gpg.d")
NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")
# Proc and devices, then folders of this machine, read-only; gone when the command ends.
ENTER = """
set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
for folder in $2; do
    mkdir -p "$1$folder"
    mount --bind -o ro "$folder" "$1$folder"
done
exec chroot "$1" runuser -u "$3" -- sh -c "$4"
"""


def answer(*command):
    """Return what a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def check_machine():
    """End with what is missing for a system to be made here."""
    if os.geteuid():
        sys.exit("test-fresh: a system can be made by root only")
    if subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], check=False).returncode:
        sys.exit("test-fresh: nothing can be mounted here (a container needs CAP_SYS_ADMIN)")
    install = ["sh", REPOSITORY / "scripts/apt_install.sh", "mmdebstrap"]
    if not shutil.which("mmdebstrap") and subprocess.run(install, check=False).returncode:
        sys.exit("test-fresh: mmdebstrap is needed: apt-get install mmdebstrap")


def make_base(suite):
    """Return an archive of a minimal system, made once for the settings of apt."""
    folder = Path("/etc/apt")
    sources = [folder / "sources.list", *sorted((folder / "sources.list.d").iterdir())]
    sources = [path for path in sources if path.exists() and path.suffix in (".list", ".sources")]
    settings = [
        line
        for line in answer("apt-config", "dump").splitlines()
        if line.startswith("Acquire::") and "::IndexTargets" not in line
    ]
    told = "\n".join([suite, PACKAGES, *settings, *(path.read_text() for path in sources)])
    base = CACHE / f"fresh-{hashlib.sha256(told.encode()).hexdigest()[:12]}.tar"
    if not base.exists():
        base.parent.mkdir(parents=True, exist_ok=True)
        new = base.with_suffix(".new.tar")
        options = [f"--aptopt={line}" for line in settings]
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}", *options]
        subprocess.run([*command, suite, new, *sources], check=True)
        new.rename(base)
    return base


def told_here():
    """Return what pip and TLS are told here, as variables, and the folders and files it names."""
    variables = {name: value for name, value in os.environ.items() if FOR_TLS.fullmatch(name)}
    for line in answer(sys.executable, "-m", "pip", "config", "list").splitlines():
        key, value = line.split("=", 1)
        name = key.rpartition(".")[2].replace("-", "_").upper()
        variables[f"PIP_{name}"] = " ".join(str(ast.literal_eval(value)).split())
    named = {word for value in variables.values() for word in value.split()}
    # The pages of an index link to files beside its folder.
    named = {str(Path(word[7:]).parent) if word.startswith("file:///") else word for word in named}
    paths = {Path(word) for word in named if word.startswith("/") and word != "/"}
    return variables, {path for path in paths if path.exists()}


def make_system(base, root, user, files):
    """Unpack a system with a clone of this repository in the user's home."""
    root.mkdir()
    subprocess.run(["tar", "-xf", base, "-C", root, "--exclude=./dev/*"], check=True)
    for folder in KEYRINGS:
        if Path(folder).exists():
            shutil.copytree(folder, f"{root}{folder}", dirs_exist_ok=True)
    for path in [*map(Path, NETWORK), *files]:
        if path.is_file():
            copy = Path(f"{root}{path}")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.unlink(missing_ok=True)
            shutil.copyfile(path, copy)
    if user != "root":
        subprocess.run(["chroot", root, "useradd", "--create-home", user], check=True)
    home = root / ("root" if user == "root" else f"home/{user}")
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, home / "mssvae"], check=True)
    owner = home.stat()
    subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", home / "mssvae"], check=True)


def timed(what, command):
    """Run a command, and print how long it took; end where it fails."""
    print(f"== {what}", flush=True)
    start = time.monotonic()
    failed = subprocess.run(command, check=False).returncode
    print(
        f"== {'FAILED after ' if failed else ''}{time.monotonic() - start:.0f} s: {what}",
        flush=True,
    )
    if failed:
        sys.exit(1)


def main(scope="all"):
    """Make the systems, and run the commands in them."""
    check_machine()
    suite = answer("sh", "-c", ". /etc/os-release && echo $VERSION_CODENAME").strip()
    base = make_base(suite)
    variables, paths = told_here()
    folders = " ".join(sorted(str(path) for path in paths if path.is_dir()))

    with tempfile.TemporaryDirectory(prefix="mssvae-fresh-", dir="/var/tmp") as work:

        def run(user, command):
            home = "/root" if user == "root" else f"/home/{user}"
            environment = variables | {"PATH": PATH, "HOME": home, "LANG": "C.UTF-8"}
            told = [shlex.quote(f"{name}={value}") for name, value in environment.items()]
            line = f"cd {home}/mssvae && env -i {' '.join(told)} {command}"
            namespace = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
            enter = ["sh", "-c", ENTER, "sh", f"{work}/{user}", folders, user, line]
            timed(f"{user}: {command}", [*namespace, *enter])

        make_system(base, Path(work, "root"), "root", paths)
        run("root", "make setup")
        in_r = "from mssvae import enrichment; print(enrichment.gene_names(['ENSG00000163736']))"
        run("root", f'.venv/bin/python -c "{in_r}"')
        if scope == "all":
            run("root", "make reproduce")
            run("root", "make test")
        make_system(base, Path(work, "someone"), "someone", paths)
        run("someone", "make setup")
        run("someone", ".venv/bin/snakemake -n --quiet --configfile config/quick.yaml")


if __name__ == "__main__":
    # So that the systems go, and what runs in them, where this is ended from outside.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main(*sys.argv[1:])
