"""A tiny suite with patients, slices and sets of each kind, and demands with every condition on it."""

import csv
from pathlib import Path

from PIL import Image
from support.tiny import CLASSES, picture, write_manifest

PATIENTS = 18
PER_PATIENT = 2
IMAGES = PATIENTS * PER_PATIENT
"""Images of each labelled set."""
SETS = """\
clean: {reader: csv, path: clean.csv, group: patient, slices: [site, sex]}
corruptions: {generate: from clean}
shifts:
  night: {reader: csv, path: night.csv, group: patient, slices: [site, sex]}
other:
  tuning: {reader: csv, path: tuning.csv, group: patient}
decided:
  patients: {of: clean, by: mean}
  others: {of: tuning, by: mean}
unknown: {birds: birds}
"""
PIPELINES = "serving:\n  app: {jpeg: 30, decode: opencv}\n"
CONDITIONS = """\
dimensions:
  accuracy:
    - min: 0
      slices:
        site: {worst: {min: 0}, gap: {max: 1}, min_images: 1, min_groups: 1}
        site=b: {min: 0, min_images: 1, min_groups: 1}
    - {set: [night, tuning, patients], min: 0}
    - {pipeline: app, min: 0, max_drop: 0.9}
  adversarial_robustness: {epsilon: 4/255, min: 0}
  calibration_error: {set: night, max: 1, parts: {ece: {max: 1}}}
  class_balance: {set: fog, min: 0}
classes:
  macro: {recall: {min: 0, slices: {sex: {worst: {min: 0}, min_images: 1, min_groups: 1}}}}
  apple:
    - at: {probability: 0.3}
      recall: {min: 0, slices: {sex: {gap: {max: 1}, min_images: 1, min_groups: 1}}}
      pipeline: app
    - {at: {recall: 0.5, from: tuning}, specificity: {min: 0}, set: [clean, night]}
answers:
  - {at: {probability: {apple: 0.3, default: 0.5}}, share: {min: 0}, set: patients}
  - {at: {error: 0.9, from: others}, share: {min: 0}, set: patients}
  - {at: {probability: 0.9}, share: {max: 1}, set: birds}
parity:
  - agreement: {min: 0, slices: {site: {worst: {min: 0}, min_images: 1, min_groups: 1}}}
    pipeline: app
"""
"""Demands that every model meets."""


def write_suite(root: Path) -> Path:
    """Write images of patients, two each, with the same class, site and sex; return the folder."""
    for start, name in enumerate(("clean", "night", "tuning")):
        (root / name).mkdir(parents=True)
        with (root / f"{name}.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("path", "label", "patient", "site", "sex"))
            for number in range(IMAGES):
                patient = number // PER_PATIENT
                path = f"{name}/{number:02}.png"
                image = Image.fromarray(picture(5000 + 100 * start + number, like=patient % len(CLASSES)))
                image.save(root / path)
                traits = "abc"[patient // 3 % 3], "fm"[patient // 9]
                rows.writerow((path, CLASSES[patient % len(CLASSES)], f"{name}{patient}", *traits))
    (root / "birds").mkdir()
    for number in range(10):
        Image.fromarray(picture(6000 + number)).save(root / "birds" / f"{number}.png")
    return write_manifest(root, SETS, PIPELINES)
