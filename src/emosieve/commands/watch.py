"""``emosieve watch``: the daemon."""

from emosieve.commands.options import Config, Profile, Root, Set, load_settings, required_root


def watch(root: Root = None, config: Config = None, profile: Profile = None, overrides: Set = None) -> None:
    """Watch a root for ever: settle, judge, file and report each task as the WebUI writes it.

    Example: emosieve watch /root/emotion2vec/outputs
    """
    from emosieve.service.daemon import Daemon  # noqa: PLC0415 - watchdog is needed here alone
    from emosieve.service.logs import configure_logs  # noqa: PLC0415 - the same
    from emosieve.service.preflight import about_settings, heed, misplaced  # noqa: PLC0415 - the same

    loaded = load_settings(config, profile, overrides, root)
    path = required_root(loaded)
    configure_logs(loaded.settings.log)
    heed([*about_settings(loaded), *misplaced(path, loaded.settings)])
    Daemon(path, loaded, lambda: load_settings(config, profile, overrides, root)).run()
