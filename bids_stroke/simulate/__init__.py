"""The synthetic cohort: stroke patients with known anatomy, lesions, signals and causes of outcome."""
