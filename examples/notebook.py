# %% [markdown]
# # A copy of the event store in DuckDB
#
# `cofferdam snapshot DIR` writes a consistent, read-only copy of the event store: Parquet files under a DuckLake catalog.
# This script asks it for the top events, a funnel and weekly retention; run it as it is, or cell by cell in an editor that knows `# %%`.
#
#     pip install duckdb==1.5.5 duckdb-extension-ducklake==1.5.5 duckdb-extension-sqlite-scanner==1.5.5
#     cofferdam snapshot /srv/copies/today
#     python examples/notebook.py /srv/copies/today --project console --steps "Signed Up" "Key Created" "Call Made"
#
# Without the two extension packages DuckDB fetches its extensions from the network once.
# The copy holds rows of single people: it is an export, recorded in the audit log, and belongs where such data may be.

# %%
import argparse
import glob
import json
import os
import sys

import duckdb

arguments = argparse.ArgumentParser(description="Top events, a funnel and weekly retention from a snapshot.")
arguments.add_argument("snapshot", help="the directory that `cofferdam snapshot` wrote")
arguments.add_argument("--project", default="console")
arguments.add_argument("--steps", nargs="+", help="the funnel's events, in order; default: the three most frequent")
arguments.add_argument("--days", type=int, default=7, help="the funnel's window, from its first step")
arguments.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
options = arguments.parse_args()

# %% [markdown]
# ## Opening the copy
#
# The catalog is a SQLite file; `DATA_PATH` says where the copy lies now, wherever it was written.
# Each project is a schema with `events`, `persons` (which number is which person after all merges), `profiles` and `organizations`.


# %%
def load(connection, extension):
    """From the Python package where it is installed, else from DuckDB's own place."""
    roots = [os.path.dirname(os.path.dirname(duckdb.__file__)), *sys.path]
    pattern = f"duckdb_extension_{extension}/extensions/v*/*.duckdb_extension"
    found = [file for root in roots for file in glob.glob(os.path.join(root, pattern))]
    if found:
        connection.execute(f"LOAD '{found[0]}'")
    else:
        connection.execute(f"INSTALL {extension}")
        connection.execute(f"LOAD {extension}")


connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
load(connection, "sqlite_scanner")
load(connection, "ducklake")
catalog = os.path.join(options.snapshot, "catalog.db")
data = os.path.join(options.snapshot, "store", "")
connection.execute(f"ATTACH 'ducklake:sqlite:{catalog}' AS lake (READ_ONLY, DATA_PATH '{data}', OVERRIDE_DATA_PATH true)")

# %% [markdown]
# ## People after all merges
#
# Rows keep the number that a person had when the event came. Joined with `persons` they have the person as known at the snapshot.

# %%
schema = '"' + options.project.replace('"', '""') + '"'
connection.execute(
    f"""
    CREATE VIEW events AS
    SELECT p.canonical AS person, e.* EXCLUDE (person)
    FROM lake.{schema}.events e JOIN lake.{schema}.persons p ON p.person = e.person
    """
)

# %% [markdown]
# ## Top events

# %%
top = connection.sql(
    """
    SELECT event, count(*) AS events, count(DISTINCT person) AS people
    FROM events GROUP BY event ORDER BY events DESC, event LIMIT 10
    """
)
top_events = top.fetchall()

# %% [markdown]
# ## A funnel
#
# Who did the first step, then the second, then the third, each after the one before, all within a window from the first.
# `reached` is the furthest that any attempt of a person came.

# %%
steps = options.steps or [event for event, *_ in top_events[:3]]
joins, reached = [], ["count(DISTINCT s0.person)"]
for number in range(1, len(steps)):
    joins.append(
        f"""LEFT JOIN events s{number} ON s{number}.person = s0.person AND s{number}.event = $step{number}
            AND (s{number}.time, s{number}.seq) > (s{number - 1}.time, s{number - 1}.seq)
            AND s{number}.time <= s0.time + to_days($days)"""
    )
    reached.append(f"count(DISTINCT s{number}.person)")
parameters = {f"step{number}": step for number, step in enumerate(steps)}
if len(steps) > 1:
    parameters["days"] = options.days
people = connection.execute(
    f"SELECT {', '.join(reached)} FROM events s0 {' '.join(joins)} WHERE s0.event = $step0", parameters
).fetchone()
funnel = list(zip(steps, people))

# %% [markdown]
# ## Weekly retention
#
# People by the week of their first event, and how many of them came back in each of the next four weeks (Monday to Sunday, UTC).

# %%
retention = connection.execute(
    """
    WITH born AS (SELECT person, date_trunc('week', min(time)) AS week FROM events GROUP BY person),
         seen AS (SELECT DISTINCT person, date_trunc('week', time) AS week FROM events)
    SELECT CAST(born.week AS DATE) AS week, count(DISTINCT born.person) AS people,
           count(DISTINCT born.person) FILTER (WHERE seen.week = born.week + INTERVAL 7 DAY) AS week_1,
           count(DISTINCT born.person) FILTER (WHERE seen.week = born.week + INTERVAL 14 DAY) AS week_2,
           count(DISTINCT born.person) FILTER (WHERE seen.week = born.week + INTERVAL 21 DAY) AS week_3,
           count(DISTINCT born.person) FILTER (WHERE seen.week = born.week + INTERVAL 28 DAY) AS week_4
    FROM born JOIN seen ON seen.person = born.person GROUP BY born.week ORDER BY born.week
    """
).fetchall()

# %% [markdown]
# ## What came out

# %%
if options.json:
    print(json.dumps({"top": top_events, "funnel": funnel, "retention": [[str(week), *counts] for week, *counts in retention]}))
else:
    print(f"{'event':<32} {'events':>10} {'people':>10}")
    for event, events, someone in top_events:
        print(f"{event:<32} {events:>10} {someone:>10}")
    print(f"\nfunnel within {options.days} days")
    for step, count in funnel:
        print(f"{step:<32} {count:>10} {100 * count / max(people[0], 1):>9.1f}%")
    print(f"\n{'first week':<12} {'people':>8} {'+1':>8} {'+2':>8} {'+3':>8} {'+4':>8}")
    for week, *counts in retention:
        print(f"{week!s:<12} " + " ".join(f"{count:>8}" for count in counts))
