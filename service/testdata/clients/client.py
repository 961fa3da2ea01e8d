"""A client as tools write them, with dasbus: proxies, properties, signals, the object manager."""
import sys

from dasbus.connection import AddressedMessageBus
from dasbus.error import DBusError, ErrorMapper, get_error_decorator
from dasbus.loop import EventLoop
from dasbus.typing import Bool, get_variant
from gi.repository import GLib

NAME, ROOT = "org.ipfskit.Intelligent1", "/org/ipfskit/Intelligent1"
errors = ErrorMapper()
dbus_error = get_error_decorator(errors)


@dbus_error(NAME + ".Error.InvalidArgument")
class InvalidArgument(DBusError):
    pass


bus = AddressedMessageBus(sys.argv[1], error_mapper=errors)
manager = bus.get_proxy(NAME, ROOT, interface_name=NAME + ".Manager")
objects = bus.get_proxy(NAME, ROOT, interface_name="org.freedesktop.DBus.ObjectManager").GetManagedObjects()
print("workers", sum(NAME + ".Worker" in o for o in objects.values()), "backends", sum(NAME + ".Backend" in o for o in objects.values()))
print("state", manager.State, "backends", manager.Backends)
print("status", "has upstream's keys" if '"thread_status"' in manager.GetStatus({}) else "?")

changes = []
bus.get_proxy(NAME, ROOT).PropertiesChanged.connect(lambda iface, changed, invalid: changes.append(changed))
backend = bus.get_proxy(NAME, manager.GetBackend(sys.argv[2]), interface_name=NAME + ".Backend")
print("backend", backend.Name, "type", backend.Type)
loop = EventLoop()
path = backend.Sync({"reconcile": get_variant(Bool, True)})
task = bus.get_proxy(NAME, path, interface_name=NAME + ".Task")
outcome = []


def completed(success, message):
    outcome.append((success, message))
    loop.quit()


task.Completed.connect(completed)
GLib.timeout_add_seconds(300, lambda: sys.exit("not all came in time"))
if not task.FinishedUSec:
    loop.run()
if not outcome:
    outcome.append((task.State == "done", task.Error))
print("completed", int(outcome[0][0]), outcome[0][1])
print("state", task.State, "finished", int(task.FinishedUSec > 0))
GLib.timeout_add(20, lambda: not changes or loop.quit())
loop.run()
print("changes", int(bool(changes)))
try:
    backend.Sync({"fast": get_variant(Bool, True)})
except InvalidArgument as e:
    print("error", "InvalidArgument", "fast" in str(e))
