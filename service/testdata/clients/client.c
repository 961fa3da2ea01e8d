/* A client as tools write them: the code of gdbus-codegen as it is, its object
 * manager and its cached properties. It prints what it saw; the test compares. */
#include <stdio.h>
#include <string.h>
#include <gio/gunixfdlist.h>
#include <unistd.h>
#include "ipfskit.h"

#define NAME "org.ipfskit.Intelligent1"
#define ROOT "/org/ipfskit/Intelligent1"

static GMainLoop *loop;
static int changes, added;

static void die(const char *what, GError *error) {
  fprintf(stderr, "%s: %s\n", what, error ? error->message : "nothing there");
  _exit(1);
}

static void completed(IpfskitTask *task, gboolean success, const char *message, gpointer data) {
  printf("completed %d %s\n", success, message);
  /* what the proxy cached is what was told before */
  printf("state %s finished %d\n", ipfskit_task_get_state(task), ipfskit_task_get_finished_usec(task) > 0);
  g_main_loop_quit(loop);
}

static void changed(GObject *o, GParamSpec *spec, gpointer data) { changes++; }
static void object_added(GDBusObjectManager *m, GDBusObject *o, gpointer data) {
  if (ipfskit_object_peek_task(IPFSKIT_OBJECT(o))) added++;
}
static gboolean enough(gpointer data) {
  if (!changes || !added) return G_SOURCE_CONTINUE;
  g_main_loop_quit(loop);
  return G_SOURCE_REMOVE;
}
static gboolean late(gpointer data) {
  fprintf(stderr, "not all came in time: changes %d added %d\n", changes, added);
  _exit(1);
}

int main(int argc, char **argv) {
  GError *error = NULL;
  GVariant *none = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
  loop = g_main_loop_new(NULL, FALSE);
  GDBusObjectManager *om = ipfskit_object_manager_client_new_for_bus_sync(G_BUS_TYPE_SESSION,
      G_DBUS_OBJECT_MANAGER_CLIENT_FLAGS_DO_NOT_AUTO_START, NAME, ROOT, NULL, &error);
  if (!om) die("object manager", error);
  g_signal_connect(om, "object-added", G_CALLBACK(object_added), NULL);
  int workers = 0, backends = 0;
  for (GList *l = g_dbus_object_manager_get_objects(om); l; l = l->next) {
    workers += ipfskit_object_peek_worker(IPFSKIT_OBJECT(l->data)) != NULL;
    backends += ipfskit_object_peek_backend(IPFSKIT_OBJECT(l->data)) != NULL;
  }
  printf("workers %d backends %d\n", workers, backends);

  IpfskitManager *manager = ipfskit_manager_proxy_new_for_bus_sync(G_BUS_TYPE_SESSION, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, NAME, ROOT, NULL, &error);
  if (!manager) die("manager", error);
  g_signal_connect(manager, "notify", G_CALLBACK(changed), NULL);
  printf("state %s backends %lu\n", ipfskit_manager_get_state(manager), (unsigned long)ipfskit_manager_get_backends(manager));
  char *json = NULL, *path = NULL;
  if (!ipfskit_manager_call_get_status_sync(manager, none, &json, NULL, &error)) die("GetStatus", error);
  printf("status %s\n", strstr(json, "\"thread_status\"") ? "has upstream's keys" : json);
  if (!ipfskit_manager_call_get_backend_sync(manager, argv[1], &path, NULL, &error)) die("GetBackend", error);

  IpfskitBackend *backend = ipfskit_backend_proxy_new_for_bus_sync(G_BUS_TYPE_SESSION, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, NAME, path, NULL, &error);
  if (!backend) die("backend", error);
  printf("backend %s type %s\n", ipfskit_backend_get_name(backend), ipfskit_backend_get_type_(backend));
  char *task_path = NULL;
  if (!ipfskit_backend_call_sync_sync(backend, none, &task_path, NULL, &error)) die("Sync", error);
  IpfskitTask *task = ipfskit_task_proxy_new_for_bus_sync(G_BUS_TYPE_SESSION, G_DBUS_PROXY_FLAGS_DO_NOT_AUTO_START, NAME, task_path, NULL, &error);
  if (!task) die("task", error);
  g_timeout_add_seconds(300, late, NULL);
  if (ipfskit_task_get_finished_usec(task))
    printf("completed %d %s\nstate %s finished 1\n", strcmp(ipfskit_task_get_state(task), "done") == 0, ipfskit_task_get_error(task), ipfskit_task_get_state(task));
  else {
    g_signal_connect(task, "completed", G_CALLBACK(completed), NULL);
    g_main_loop_run(loop);
  }
  g_timeout_add(20, enough, NULL); /* let the signals come */
  g_main_loop_run(loop);
  printf("changes %d added %d\n", changes > 0, added > 0);

  GVariant *fd = NULL;
  GUnixFDList *list = NULL;
  if (!ipfskit_manager_call_history_sync(manager, none, NULL, &fd, &list, NULL, &error)) die("History", error);
  FILE *f = fdopen(g_unix_fd_list_get(list, g_variant_get_handle(fd), NULL), "r");
  char line[8192];
  int lines = 0;
  while (fgets(line, sizeof line, f)) lines++;
  printf("history %d\n", lines > 0);
  GVariantBuilder odd;
  g_variant_builder_init(&odd, G_VARIANT_TYPE("a{sv}"));
  g_variant_builder_add(&odd, "{sv}", "fast", g_variant_new_boolean(TRUE));
  if (ipfskit_backend_call_sync_sync(backend, g_variant_builder_end(&odd), &task_path, NULL, &error)) die("an unknown option was taken", NULL);
  printf("error %s\n", g_dbus_error_get_remote_error(error));
  return 0;
}
