"""`python -m tritsmith` is the program itself."""

import os
import sys

from tritsmith import program

os.execv(program(), ["tritsmith", *sys.argv[1:]])
