"""What starts Spark's Python workers in the tests: pyspark.daemon, with workers that forget nothing between tasks.

A table that is made of Python's rows is made by Python workers again in every action. After each task such a worker
collects garbage over all that it has imported, and before the next it reads the directory of pyspark.zip again: 0.16 s
of processor time, a third of what some test files took. Frozen objects are not looked at, and without an importer no
directory is read. The project's own workers do the same for themselves (`factorize.cells.lighten_worker`).
"""

import gc
import runpy
import sys
import zipimport

import pyspark.worker  # noqa: F401, so that the workers have it

if __name__ == "__main__":
    for path in [path for path, finder in sys.path_importer_cache.items() if isinstance(finder, zipimport.zipimporter)]:
        del sys.path_importer_cache[path]
    gc.collect()
    gc.freeze()
    runpy.run_module("pyspark.daemon", run_name="__main__", alter_sys=True)
