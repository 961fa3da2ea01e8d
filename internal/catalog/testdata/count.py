"""count.py HOME: what is in a home, counted with pandas and PyYAML-free means."""
import json, re, sys
from pathlib import Path
import pandas as pd

B = Path(sys.argv[1])

def yaml_top(path):
    """enabled and type of a flat or nested configuration, without a YAML library."""
    out = {}
    for line in path.read_text().splitlines():
        m = re.match(r"^(enabled|type|name):\s*(.*)$", line)
        if m: out[m[1]] = m[2].strip().strip("'\"")
    return out

configs = {}
for d in ("backend_configs", "backends"):
    for p in sorted((B / d).glob("*.yaml")):
        if p.is_file(): configs[p.stem] = yaml_top(p)
disabled = {n for n, c in configs.items() if c.get("enabled", "true").lower() == "false"}
names = set(configs) - disabled
reg = B / "backend_index/backend_registry.parquet"
if reg.exists():
    names |= set(pd.read_parquet(reg)["name"].dropna()) - disabled
dirty = set()
def look(name, path):
    text = path.read_text()
    if not text: return
    try: d = json.loads(text)
    except ValueError: dirty.add(name); return
    acts = d.get("pending_actions") or []
    if any(not a.get("synced") for a in acts) or (not acts and d.get("is_dirty")): dirty.add(name)
for p in (B / "backend_index/dirty_metadata").glob("*_dirty.json"): look(p.name[: -len("_dirty.json")], p)
for p in (B / "backend_state").glob("*_dirty.json"): look(p.name[: -len("_dirty.json")], p)
for p in (B / "backends").glob("*/dirty_metadata"):
    for f in [p] if p.is_file() else [x for x in p.iterdir() if x.is_file()]: look(p.parent.name, f)
names |= dirty - disabled
buckets, listed = set(), set()
for f in ("bucket_index/bucket_registry.parquet", "bucket_registry.parquet"):
    p = B / f
    if not p.exists(): continue
    df = pd.read_parquet(p)
    col = "bucket_name" if "bucket_name" in df else "name"
    for _, r in df.iterrows():
        n = r[col]
        if not isinstance(n, str) or not n: continue
        listed.add(n)
        i = r.get("bucket_id")
        buckets.add(i if isinstance(i, str) and "/" in i else n)
def more(doc):
    doc = doc.get("buckets", doc) if isinstance(doc, dict) else doc
    for k, v in (doc.items() if isinstance(doc, dict) else ((x.get("bucket_name"), x) for x in doc)):
        v = v if isinstance(v, dict) else {}
        n = v.get("bucket_name") or k
        if n in listed: continue
        i = v.get("bucket_id")
        buckets.add(i if isinstance(i, str) and "/" in i else (k if "/" in k else n))
p = B / "bucket_registry.json"
if p.exists(): more(json.loads(p.read_text()))
p = B / "bucket_registry.yaml"
if p.exists():
    keys, inside = [], False
    for line in p.read_text().splitlines():
        if re.match(r"^buckets:", line): inside = True; continue
        if re.match(r"^\S", line): inside = False
        m = re.match(r"^  (\S[^:]*):", line)
        if inside and m: keys.append(m[1])
    more({k: {} for k in keys})
pins = {}
for p in (B / "backends").glob("*/pin_mappings.parquet"):
    df = pd.read_parquet(p)
    if len(df): pins[p.parent.name] = {str(k): int(v) for k, v in df["status"].value_counts().items()}
print(json.dumps({"backends": sorted(names), "dirty": sorted(dirty - disabled), "buckets": sorted(buckets), "pins": pins}))
