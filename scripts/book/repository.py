"""The files of the repository: those that Git knows, and new ones that it does not ignore."""

import subprocess
from pathlib import Path

SUMMARY = "docs/SUMMARY.md"


class Repository:
    def __init__(self):
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"], check=True, capture_output=True, text=True
        )
        self.files = sorted(file for file in set(listed.stdout.splitlines()) if Path(file).is_file())
        self.folders = {str(parent) for file in self.files for parent in Path(file).parents}

    def markdown(self) -> list[str]:
        return [file for file in self.files if file.endswith(".md")]

    def others(self) -> list[str]:
        return [file for file in self.files if not file.endswith(".md")]

    def has(self, path: str) -> bool:
        return path in self.files or path in self.folders

    def is_folder(self, path: str) -> bool:
        return path in self.folders
