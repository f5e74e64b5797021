#!/usr/bin/python3
"""Serves Debian's graphite-web over a directory of whisper files, on loopback.

    graphite_web.py DIRECTORY PORT

Its settings, logs and database are kept in DIRECTORY, the files in DIRECTORY/whisper.
"""
import os
import sys
from wsgiref.simple_server import make_server

root, port = os.path.abspath(sys.argv[1]), int(sys.argv[2])
settings = {
    "GRAPHITE_ROOT": "/usr/share/graphite-web",
    "CONF_DIR": "/etc/graphite",
    "STORAGE_DIR": root,
    "LOG_DIR": root,
    "INDEX_FILE": os.path.join(root, "index"),
    "WHISPER_DIR": os.path.join(root, "whisper"),
    "SECRET_KEY": "on loopback, for a test",
    "TIME_ZONE": "UTC",
    "ALLOWED_HOSTS": ["*"],
    "CARBONLINK_HOSTS": [],
    "FIND_CACHE_DURATION": 0,
    "DATABASES": {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.path.join(root, "graphite.db")}
    },
    "CACHES": {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}},
}
with open(os.path.join(root, "graphite_of_test.py"), "w", encoding="utf-8") as file:
    file.writelines(f"{name} = {value!r}\n" for name, value in settings.items())
sys.path.insert(0, root)
os.environ["GRAPHITE_SETTINGS_MODULE"] = "graphite_of_test"
os.environ["DJANGO_SETTINGS_MODULE"] = "graphite.settings"

from django.core.management import call_command  # noqa: E402, as it reads the settings
from graphite.wsgi import application  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
make_server("127.0.0.1", port, application).serve_forever()
