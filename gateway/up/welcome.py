"""What a newcomer reads when everything is up: the URL, the key, and two ways to ask."""

import shlex
import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.syntax import Syntax

from gateway.engines.providers import shown
from gateway.settings import GatewaySettings
from gateway.up.credentials import Credentials

QUESTION = "How do I boil an egg?"


def welcome(console: Console, credentials: Credentials, settings: GatewaySettings) -> None:
    """Print where to ask and how; the snippets run as they stand."""
    alias = settings.alias
    lines = [
        f"[bold]{credentials.base_url}[/]   OpenAI-compatible, model [bold]{alias}[/]",
        f"[bold]{credentials.api_key}[/]   your key",
        f"{credentials.admin_url}   admin API, key in credentials.json of its home ({settings.home})",
        *(f"{shown(one.url)}   an engine, model {settings.base_model}" for one in settings.engines),
    ]
    console.print(Panel("\n".join(lines), title="Trimtab is up", title_align="left", border_style="green"))
    for language, snippet in (("bash", curl(credentials, alias)), ("python", python(credentials, alias))):
        lit = Syntax(snippet, language, background_color="default").highlight(snippet)
        console.print(lit, soft_wrap=True)  # a terminal wraps what is pasted from it whole; rich would cut it
    console.print("[dim]ctrl-C stops everything. In another terminal:[/]")
    for told in (f"keys create NAME{at(settings)}", f"finetune run{at(settings)}", "demo"):
        console.print(f"[dim]  {command()} {told}[/]", soft_wrap=True)


def at(settings: GatewaySettings) -> str:
    """What has to be said to other commands of a home that is not the usual one."""
    usual = Path(GatewaySettings.model_fields["home"].default)
    return (
        "" if settings.home.absolute() == usual.absolute() else f" --home {shlex.quote(str(settings.home))}"
    )


def command() -> str:
    """What to type for `trimtab` here: its path where the shell would not find it."""
    return "trimtab" if shutil.which("trimtab") else str(Path(sys.executable).parent / "trimtab")


def curl(credentials: Credentials, alias: str) -> str:
    """A shell command that asks a question and shows how the answer was chosen."""
    return (
        f"curl -s {credentials.base_url}/chat/completions \\\n"
        f"  -H 'Authorization: Bearer {credentials.api_key}' -H 'Content-Type: application/json' \\\n"
        f'  -d \'{{"model": "{alias}", "messages": [{{"role": "user", "content": "{QUESTION}"}}], '
        f'"alignment": {{"strategy": "best_of_n", "n": 8, "explain": true}}}}\''
    )


def python(credentials: Credentials, alias: str) -> str:
    """The same question through the official client."""
    return f"""from openai import OpenAI

client = OpenAI(base_url="{credentials.base_url}", api_key="{credentials.api_key}")
answer = client.chat.completions.create(
    model="{alias}",
    messages=[{{"role": "user", "content": "{QUESTION}"}}],
    extra_body={{"alignment": {{"strategy": "best_of_n", "n": 8}}}},
)
print(answer.choices[0].message.content)"""
