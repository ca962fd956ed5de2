#!/usr/bin/env bash
# Guess:       a folder that is given to `bosh exec launch` by a path over a symbolic link is mounted where the command line in
#              the container looks for it.
# Seen:        bosh mounts it at the path that the link leads to, and gives the command the path as it was written. That path
#              does not exist in the container: a tool that reads it finds nothing, one that writes to it writes into the
#              container, which is deleted at the end.
# Versions:    boutiques 0.5.33.
# Matters for: data on a cluster, where /data, home and scratch are mostly links (DataLad and annexed datasets too).
# bids_stroke: its descriptor tells to give real paths, and the app refuses an OUTPUT_DIR that lies in the container.
set -euo pipefail

folder=$(realpath "$(mktemp -d)")
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check boutiques==0.5.33
mkdir -p "$folder/work" "$folder/disk/bids" "$folder/bin"
ln -s "$folder/disk" "$folder/data"
cd "$folder/work"

# Instead of docker: what bosh asks for, and what the job in the container would be told.
cat > "$folder/bin/docker" <<'EOF'
#!/usr/bin/env bash
if [ "$1" = run ]; then
    printf '%s\n' "$@" > asked
    cat temp-*.sh > told # the job that the container would run
fi
EOF
chmod +x "$folder/bin/docker"
cat > tool.json <<'EOF'
{"name": "reader", "description": "Lists a folder.", "tool-version": "1", "schema-version": "0.5", "command-line": "ls [FOLDER]",
 "container-image": {"type": "docker", "image": "debian:stable"},
 "inputs": [{"id": "folder", "name": "folder", "type": "File", "value-key": "[FOLDER]"}]}
EOF
printf '{"folder": "%s"}\n' "$folder/data/bids" > call.json
HOME=$folder PATH=$folder/bin:$PATH "$folder/venv/bin/bosh" exec launch --no-pull --skip-data-collection tool.json call.json > said 2>&1 || true

python3 - "$folder" <<'EOF'
import re
import sys
from pathlib import Path

folder = Path(sys.argv[1])
asked = Path("asked").read_text().split("\n")
mounts = [target for word in asked if ":" in word for _, target in [word.split(":")[:2]] if target.startswith("/")]
command = re.search(r"^ls (\S+)", Path("told").read_text(), re.MULTILINE)
print("mounted in the container:", [path.replace(str(folder), "") for path in mounts])
print("the command there:", command and command[0].replace(str(folder), ""))
linked, real = f"{folder}/data/bids", f"{folder}/disk/bids"
if not (command and command[1].strip("'\"") == linked and real in mounts and linked not in mounts):
    sys.exit("This is not what was recorded: the command with the linked path, the mount at the real one alone")
EOF
