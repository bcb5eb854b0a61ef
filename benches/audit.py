"""Compares what `raceproof audit` reads in extension modules with what importing them does.

Downloads wheels for free-threaded CPython 3.14 with pip, installs them in an environment, judges
every extension module with `raceproof audit`, imports each in a process of its own, and prints a
table in Markdown, and how long the reading took. threadcheck's `compat`, where it can be installed, is asked about the same
distributions.

    python3 benches/audit.py --python python3.14t --raceproof target/release/raceproof

Exits with 1 when a verdict is wrong or more than a tenth of the modules are undecidable.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

PACKAGES = """
adbc-driver-manager aiohttp argon2-cffi-bindings ast-serialize asyncpg av awkward-cpp bcrypt bitarray
black blake3 blis blosc2 boost-histogram bottleneck cbor2 cffi cftime charset-normalizer ckzg
cmarkgfm contourpy coverage cramjam crc32c cryptography cymem cython cytoolz debugpy duckdb ecos
fastavro fastuuid faiss-cpu fonttools freetype-py frozenlist gevent gmpy2 google-crc32c greenlet
grpcio h5py hf-xet highspy hiredis httptools ijson iminuit immutables isal jellyfish jiter
kiwisolver lazy-object-proxy levenshtein libcst librt lightgbm llvmlite lxml lz4 manifold3d
markupsafe matplotlib memray ml-dtypes mmh3 msgpack msgspec multidict murmurhash mypy netcdf4 nh3
numba numcodecs numexpr numpy onnxruntime optree orjson ormsgpack osqp pandas pikepdf pillow
preshed primp propcache protobuf psutil psycopg-binary pyarrow pybase64 pyclipper pycryptodome
pydantic-core pyinstrument pymongo pymupdf pynacl pyproj pyroaring pywavelets pyyaml pyzmq
rapidfuzz rasterio regex rignore rpds-py rtree ruamel.yaml.clib safetensors scikit-image
scikit-learn scipy scs selectolax sentencepiece setproctitle shapely simplejson skia-pathops
sqlalchemy srsly ssh2-python statsmodels tables thinc tiktoken tokenizers tornado tree-sitter
uharfbuzz ujson uuid-utils uvloop watchfiles websockets wrapt xgboost xxhash yappi yarl zlib-ng
zope.interface zstandard
""".split()

# Pure Python, to fill an environment up to the size that its reading is timed with.
PURE = """
alabaster alembic amqp anyio arrow asgiref asttokens babel backoff beautifulsoup4 blinker bokeh
boto3 botocore build cachetools cattrs celery certifi cfgv chardet cheroot click cloudpickle
comm dask decorator distlib django docker docutils executing faker fastapi fastjsonschema filelock
flask freezegun fsspec gitdb gitpython google-api-core google-auth googleapis-common-protos gunicorn
h11 h2 hatchling hpack html5lib httpcore httpx humanize hyperframe identify idna imagesize iniconfig
invoke ipython isort itsdangerous jedi jinja2 jmespath joblib jsonpointer jsonschema
jsonschema-specifications kombu locket loguru mako markdown markdown-it-py marshmallow mdurl
more-itertools mpmath nbformat networkx nodeenv oauthlib openpyxl et-xmlfile packaging parso partd
pathspec pexpect platformdirs plotly pluggy pre-commit prettytable prompt-toolkit proto-plus
ptyprocess pure-eval pyasn1 pyasn1-modules pycodestyle pyflakes pygments pyjwt pymysql pyparsing
pytest python-dateutil pytz redis referencing requests requests-oauthlib responses rich rsa s3transfer
seaborn six smmap sniffio snowballstemmer sortedcontainers soupsieve sphinx sqlparse stack-data
starlette structlog sympy tabulate tenacity threadpoolctl toml tomlkit toolz tox tqdm traitlets typer
tzdata uritemplate urllib3 uvicorn vine virtualenv waitress wcwidth webencodings websocket-client
werkzeug wheel xarray zipp
""".split()

IMPORT = "import importlib, sys; importlib.import_module(sys.argv[1])"


def environment(folder, python):
    """Downloads and installs what has wheels; what has none is left out and counted."""
    inner = folder / "environment" / "bin" / "python"
    wheels = folder / "wheels"
    installed = folder / "installed.json"
    if installed.exists():
        return inner, json.loads(installed.read_text())
    subprocess.run([python, "-m", "venv", folder / "environment"], check=True)
    pip = [inner, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    done = []
    for package in PACKAGES:
        download = [*pip, "download", "--only-binary", ":all:", "--dest", wheels, package]
        install = [*pip, "install", "--no-index", "--find-links", wheels, package]
        if all(
            subprocess.run(it, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
            for it in (download, install)
        ):
            done.append(package)
        else:
            print(f"left out: {package}", file=sys.stderr)
    subprocess.run([*pip, "install", "--no-deps", "--only-binary", ":all:", *PURE], check=True)
    installed.write_text(json.dumps(done))
    return inner, done


def truth(python, module):
    """What importing `module` does: the interpreter names every module that turns the GIL on."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    try:
        run = subprocess.run(
            [python, "-P", "-v", "-c", IMPORT, module],
            capture_output=True, text=True, errors="replace", timeout=300, env=variables,
        )
    except subprocess.TimeoutExpired:
        return "timed out"
    needs = re.findall(r"enabled to load module '([^']+)'", run.stderr)
    needs += re.findall(r"# loading module '([^']+)', which requires the GIL", run.stderr)
    if module in needs:
        return "re-enables-gil"
    if f"# extension module '{module}' loaded" in run.stderr:
        return "keeps-gil-off"
    return f"signal {-run.returncode}" if run.returncode < 0 else "not imported"


def speed(raceproof, environment):
    """The least processor time and the least time by the clock of reading the environment, warm."""
    command = [raceproof, "audit", "--no-code", "--output-format", "json", environment]
    processor, clock = [], []
    for _ in range(12):
        before, start = os.times(), time.perf_counter()
        report = subprocess.run(command, capture_output=True, text=True).stdout
        clock.append(time.perf_counter() - start)
        after = os.times()
        processor.append(
            (after.children_user - before.children_user, after.children_system - before.children_system)
        )
    user, system = min(processor, key=sum)
    files = [it for pattern in ("*.so", "*.so.*") for it in environment.rglob(pattern) if it.is_file()]
    return (
        f"{json.loads(report)['summary']['distributions']} distributions,"
        f" {len(files)} shared objects of {sum(it.stat().st_size for it in files) / 1e9:.1f} GB:"
        f" {user + system:.2f} s of processor time ({user:.2f} s user, {system:.2f} s system),"
        f" {min(clock):.2f} s by the clock, each the least of {len(clock)} runs."
    )


def threadcheck(folder, python):
    """threadcheck's answer by distribution; empty when it cannot be installed."""
    target = folder / "threadcheck"
    if not target.exists():
        pip = [python, "-m", "pip", "--quiet", "install", "--target", target, "threadcheck"]
        if subprocess.run(pip).returncode != 0:
            return {}
    code = (
        "import json, sys; sys.path.append(sys.argv[1]); from threadcheck.compat import check_compat;"
        "print(json.dumps([it.to_dict() for it in check_compat()]))"
    )
    run = subprocess.run([python, "-c", code, target], capture_output=True, text=True)
    answers = json.loads(run.stdout) if run.returncode == 0 else []
    return {re.sub(r"[-_.]+", "-", it["name"]).lower(): it["status"] for it in answers}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default="python3.14t")
    parser.add_argument("--raceproof", default="target/release/raceproof")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("target/audit-bench"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    folder = options.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)

    python, packages = environment(folder, options.python)
    arguments = ["audit", "--no-code", "--output-format", "json", folder / "environment"]
    report = json.loads(
        subprocess.run([options.raceproof, *arguments], capture_output=True, text=True).stdout
    )
    modules = [it for it in report["modules"] if not it["ignored"]]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        facts = list(pool.map(lambda it: truth(python, it["module"]), modules))
    peer = threadcheck(folder, python)
    wheels = len(list((folder / "wheels").glob("*cp314t-*.whl")))

    rows = collections.defaultdict(list)
    totals = collections.Counter()
    wrong = []
    for module, fact in zip(modules, facts, strict=True):
        said = module["verdict"]
        rows[(module["distribution"], module["version"])].append((module, fact))
        decided = fact in ("keeps-gil-off", "re-enables-gil")
        totals[("said", said)] += 1
        totals[("fact", fact)] += 1
        if not decided:
            totals["not comparable"] += 1
        elif said == "undecidable":
            totals["undecidable"] += 1
        elif said == fact:
            totals["right"] += 1
        else:
            totals["wrong"] += 1
            wrong.append((module["module"], said, fact))

    print("| distribution | modules | built with | raceproof | importing it | threadcheck |")
    print("|---|---|---|---|---|---|")
    peer_wrong = []
    for (name, version), members in sorted(rows.items()):
        said = collections.Counter(it["verdict"] for it, _ in members)
        fact = collections.Counter(fact for _, fact in members)
        built = sorted({it["toolchain"]["name"] for it, _ in members if it["toolchain"]})
        shown = lambda counts: ", ".join(  # noqa: E731
            key if len(counts) == 1 else f"{count} {key}" for key, count in counts.most_common()
        )
        answer = peer.get(name, "")
        if answer == "compatible" and fact["re-enables-gil"]:
            peer_wrong.append(f"{name} {version}")
        print(f"| {name} {version} | {len(members)} | {', '.join(built)} | {shown(said)} | {shown(fact)} | {answer} |")

    comparable = totals["right"] + totals["wrong"] + totals["undecidable"]
    print()
    print(
        f"{wheels} cp314t wheels, {len(packages)} packages asked for, {len(rows)} distributions with"
        f" extension modules; {len(modules)} modules, of which {comparable} could be imported:"
        f" {totals['right']} verdicts right, {totals['wrong']} wrong, {totals['undecidable']}"
        f" undecidable ({100 * totals['undecidable'] / max(comparable, 1):.1f} %)."
    )
    if peer:
        print(
            f"\nthreadcheck calls {len(peer_wrong)} of these distributions compatible that turn the"
            f" GIL on: {', '.join(peer_wrong)}."
        )
    print(f"\nSpeed: {speed(options.raceproof, folder / 'environment')}")
    for module, said, fact in wrong:
        print(f"\nWRONG: {module}: {said}, but importing it: {fact}")
    return 1 if wrong or totals["undecidable"] * 10 > comparable else 0


if __name__ == "__main__":
    sys.exit(main())
