"""A gate run: options, threshold files, planned demands, judging, results. Free of pytest."""
