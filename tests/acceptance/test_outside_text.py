"""Whole runs whose model, threshold file, suite, classes and images have hostile names."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from acceptance.runs import Judge
from PIL import Image

import quba_check

WEIGHTS = Path(quba_check.__file__).parent / "demo" / "demo.safetensors"
