#!/usr/bin/env python3
"""Mutation score: applies each mutant of catalogue.py to a copy of the tree, builds only the tests
that must see it, and runs them. A mutant that no test notices survives, and is a missing test.

  mutants.py           the few that CI runs
  mutants.py --all     all of them
  mutants.py NAME ...  those whose name contains NAME
  mutants.py --list    the list; fails if a text is no longer in its file exactly once

Works in build/mutants below the tree. Exit code 0 only if every mutant was killed.
"""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import time

from catalogue import MUTANTS

SOURCE = pathlib.Path(__file__).resolve().parents[2]
WORK = SOURCE / "build" / "mutants"
COPY = WORK / "tree"
BUILD = WORK / "build"
RUN_SECONDS_MAX = 300


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, **options)


def must(command):
    done = run(command, env=environment())
    if done.returncode != 0:
        sys.exit(f"mutants: {' '.join(map(str, command))} failed:\n{done.stdout[-4000:]}")


def environment():
    # So that what the tree's own build compiled is found in the compiler cache.
    return {**os.environ, "CCACHE_BASEDIR": str(SOURCE), "CCACHE_NOHASHDIR": "1"}


def mutated_text(mutant, root):
    text = (root / mutant.file).read_text()
    count = text.count(mutant.old)
    if count != 1:
        sys.exit(f"mutants: '{mutant.name}': its text is {count} times in {mutant.file}: "
                 "make it fit the code again in catalogue.py")
    return text.replace(mutant.old, mutant.new)


def files_of(root):
    for folder, folders, names in os.walk(root):
        if pathlib.Path(folder) == root:
            folders[:] = [name for name in folders if name not in ("build", ".git")]
        for name in names:
            yield (pathlib.Path(folder) / name).relative_to(root)


def prepare():
    wanted = set(files_of(SOURCE))
    for file in wanted:
        text = (SOURCE / file).read_bytes()
        copy = COPY / file
        # A file that is the same keeps its time, so that nothing is built again.
        if copy.is_file() and copy.read_bytes() == text:
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(SOURCE / file, copy)
    for file in set(files_of(COPY)) - wanted:
        (COPY / file).unlink()
    # No warnings as errors: a mutant may leave something unused.
    must(["cmake", "-S", COPY, "-B", BUILD, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
          "-DBUILD_TESTING=ON"])


def build(programs):
    jobs = os.environ.get("MUTANT_JOBS", "2")
    return run(["cmake", "--build", BUILD, "--parallel", jobs, "--target", *sorted(programs)],
               env=environment())


def find_program(name):
    found = [path for path in BUILD.glob(f"tests/**/{name}") if path.is_file()]
    if len(found) != 1:
        sys.exit(f"mutants: no test program {name}")
    return found[0]


def tests_pass(tests):
    """The name of the program that failed, or None."""
    for program, *cases in tests:
        path = find_program(program)
        try:
            done = run([path, ",".join(cases)] if cases else [path], cwd=path.parent,
                       timeout=RUN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return f"{program} (did not end)"
        if "No tests ran" in done.stdout:
            sys.exit(f"mutants: {program} has no case {cases}")
        if done.returncode != 0:
            return program
    return None


def broken_tests(mutants):
    """Tests that do not build, or fail, without any mutant: they kill nothing."""
    tests = {test for mutant in mutants for test in mutant.tests}
    unbuilt = {program for program in {program for program, *_ in tests}
               if build({program}).returncode != 0}
    return {test for test in tests if test[0] in unbuilt or tests_pass([test])}


def try_mutant(mutant):
    file = COPY / mutant.file
    original = file.read_text()
    file.write_text(mutated_text(mutant, COPY))
    try:
        built = build({program for program, *_ in mutant.tests})
        if built.returncode != 0:
            sys.exit(f"mutants: '{mutant.name}' does not build:\n{built.stdout[-4000:]}")
        return tests_pass(mutant.tests)
    finally:
        file.write_text(original)


def chosen(arguments):
    if arguments.names:
        return [mutant for mutant in MUTANTS
                if any(name in mutant.name for name in arguments.names)]
    return [mutant for mutant in MUTANTS
            if not mutant.waits_for and (arguments.all or mutant.ci)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("names", nargs="*")
    arguments = parser.parse_args()
    for mutant in MUTANTS:
        mutated_text(mutant, SOURCE)
    if arguments.list:
        for mutant in MUTANTS:
            print(f"{mutant.name:42} {mutant.file:32} {mutant.waits_for and 'waits for ' + mutant.waits_for}")
        return 0
    mutants = chosen(arguments)
    prepare()
    broken = broken_tests(mutants)
    for program, *cases in broken:
        print(f"does not build, or fails without a mutant: {program} {cases}", flush=True)
    survivors = []
    for mutant in mutants:
        started = time.monotonic()
        if broken.intersection(mutant.tests):
            survivors.append(mutant.name)
            print(f"{mutant.name:42}     -    NOT TRIED", flush=True)
            continue
        killer = try_mutant(mutant)
        if not killer:
            survivors.append(mutant.name)
        result = f"killed by {killer}" if killer else "SURVIVED"
        print(f"{mutant.name:42} {time.monotonic() - started:5.0f} s  {result}", flush=True)
    print(f"{len(mutants) - len(survivors)} of {len(mutants)} killed; "
          f"{sum(1 for mutant in MUTANTS if mutant.waits_for)} wait for a rig")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
