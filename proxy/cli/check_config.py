"""`feedgate check-config`: the effective settings with where each came from, or everything that is wrong."""

from dataclasses import asdict
from typing import Annotated

import typer

from proxy.cli.options import AsJson, ConfigFile, load_or_exit
from proxy.cli.output import print_json
from proxy.config.show import as_json as settings_as_json
from proxy.config.show import as_lines, defaults
from proxy.upstream.chain import chains_of


def check_config(
    context: typer.Context,
    config: ConfigFile = None,
    everything: Annotated[bool, typer.Option("--all", help="Show built-in defaults too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check the settings and show those that are given, each with where it came from; secrets are masked."""
    loaded = load_or_exit(context, config, as_json=as_json, with_notes=True, with_secrets=True)
    chains = chains_of(loaded.settings, loaded.request.environ)
    if as_json:
        document = {
            "ok": True,
            "file": str(loaded.path) if loaded.path else None,
            "settings": settings_as_json(loaded.settings),
            "chains": {place: asdict(chain) for place, chain in chains.items()},
            "notes": list(loaded.notes),
        }
        print_json(document)
        return
    print(f"# {loaded.path or 'no file: built-in defaults, environment and command line'}")
    for line in as_lines(loaded.settings, is_whole=everything):
        print(line)
    if not everything:
        print(f"# no errors; {defaults(loaded.settings)} more settings have their defaults: --all shows them")
    if chains:
        print("\n# how requests leave")
    for place, chain in chains.items():
        print(f"# {place}: " + "\n#   ".join(chain.lines()))
