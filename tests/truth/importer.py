"""Runs in the root's own Python: imports a module, then has the loader open everything that came with it.

argv: the module, the folder that was unpacked. Written for Python 3.9 and later.
"""

import _ctypes
import importlib
import os
import sys

importlib.import_module(sys.argv[1])
for folder, _, names in os.walk(sys.argv[2]):
    for name in names:
        if name.endswith(".so") or ".so." in name:
            _ctypes.dlopen(os.path.join(folder, name), os.RTLD_NOW)  # noqa: PTH118
print("imported", sys.argv[1])
