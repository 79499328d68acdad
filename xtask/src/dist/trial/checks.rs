//! What is true of a system in which the packages are installed: scripts that run there.

/// A name, and a script that fails where it is not true.
pub(super) type Check = (&'static str, &'static str);

/// Installs all packages, without a network: so what they depend on is there.
pub(super) const INSTALL: &str = r#"
    apt-get --quiet --yes --no-install-recommends install /tmp/*.deb
    test -z "$(dpkg --audit)"
"#;

/// In any order, once they are installed.
pub(super) const INSTALLED: [Check; 10] = [
    (
        "commands_run",
        r#"
        exithand --version
        sleep 1000 & exithand kill $! | grep sleep
        exithand wait --timeout 1ms $$ | grep alive
        for name in waitpid pidwait getino; do
            /usr/lib/exithand/names/$name --version | grep "^$name from exithand"
        done
        /usr/lib/exithand/names/pwait 2>&1 | grep '^usage: pwait'
        "#,
    ),
    (
        "no_name_of_another_package_is_taken",
        r#"
        names=$(dpkg -L exithand | grep '/s*bin/')
        test "$names" = /usr/bin/exithand
        test "$(ls /usr/lib/exithand/names | tr '\n' ' ')" = "getino pidwait pwait waitpid "
        "#,
    ),
    (
        "manual_pages_are_found",
        r#"
        for page in $(dpkg -L exithand libexithand-dev | sed -n 's|.*/man\(.\)/\(.*\)\.[0-9]\.gz$|\1:\2|p'); do
            man --where "${page%%:*}" "${page#*:}" >/dev/null
            man "${page%%:*}" "${page#*:}" | grep -q NAME
        done
        man --where exithand-wait exithand.1 exithand-lowmem.toml
        "#,
    ),
    (
        "completions_are_where_shells_look",
        r"
        bash -n /usr/share/bash-completion/completions/exithand
        test -s /usr/share/zsh/site-functions/_exithand
        test -s /usr/share/fish/vendor_completions.d/exithand.fish
        ",
    ),
    (
        "units_are_right_and_not_enabled",
        r#"
        units=$(dpkg -L exithand | grep '\.service$')
        test "$(echo "$units" | wc -l)" = 3
        systemd-analyze verify --man=no $units
        for unit in $units; do
            grep -q '^ExecStart=/usr/bin/exithand ' "$unit"
            test "$(systemctl --root=/ is-enabled "${unit##*/}" || true)" = disabled
        done
        "#,
    ),
    (
        "the_recorder_has_a_user",
        r#"
        getent passwd exithand | grep ':/var/lib/exithand:/usr/sbin/nologin$'
        test "$(getent passwd exithand | cut -d : -f 3)" -lt 1000
        "#,
    ),
    (
        "files_belong_to_root_and_are_as_packed",
        r"
        for package in exithand libexithand0 libexithand-dev python3-exithand; do
            dpkg --verify $package
            dpkg -L $package | xargs -d '\n' -I {} find {} -maxdepth 0 \
                \( ! -user root -o ! -group root -o ! -type l -perm /6022 \) > odd
            test ! -s odd || { cat odd; exit 1; }
        done
        rm odd
        exithand lowmem --check-config
        test -x /usr/lib/exithand/exithand-lowmem
        ",
    ),
    (
        "a_c_program_is_built_and_waits",
        r#"
        cd /tmp
        tcc -Wall -Werror $(pkg-config --cflags exithand) program.c -o program \
            $(pkg-config --libs exithand)
        ./program
        test "$(pkg-config --modversion exithand)" = "$(exithand --version | cut -d ' ' -f 2)"
        "#,
    ),
    (
        "python_has_the_module",
        r"
        cd /
        python3 /tmp/program.py
        test -d /usr/lib/python3/dist-packages/exithand/__pycache__
        ",
    ),
    (
        "the_documents_are_there",
        r"
        for package in exithand libexithand0 libexithand-dev python3-exithand; do
            for file in copyright changelog.gz changelog.Debian.gz; do
                test -s /usr/share/doc/$package/$file
            done
        done
        grep -q 'Permission is hereby granted' /usr/share/doc/exithand/copyright
        ",
    ),
];

/// A second version comes over the first, with what an administrator and a recorder have left.
pub(super) const UPGRADE: Check = (
    "an_upgrade_keeps_history_and_configuration",
    r#"
    install -d -o exithand -g exithand -m 755 /var/lib/exithand
    echo 'every end' > /var/lib/exithand/history.db
    chown exithand:exithand /var/lib/exithand/history.db
    echo 'preset = "ci"' >> /etc/exithand/lowmem.toml
    before=$(stat -c '%u %g %a %Y' /var/lib/exithand/history.db)
    apt-get --quiet --yes install /tmp/*.deb
    dpkg-query -W exithand | grep -- '-2$'
    test "$(cat /var/lib/exithand/history.db)" = 'every end'
    test "$(stat -c '%u %g %a %Y' /var/lib/exithand/history.db)" = "$before"
    grep -q '^preset = "ci"' /etc/exithand/lowmem.toml
    exithand --version
    "#,
);

/// Removed, and not purged.
pub(super) const REMOVE: Check = (
    "a_removal_keeps_history_and_configuration",
    r"
    dpkg --remove exithand python3-exithand libexithand-dev libexithand0
    test ! -e /usr/bin/exithand
    test ! -e /usr/lib/systemd/system/exithand.service
    test ! -e /usr/lib/python3/dist-packages/exithand
    test -s /var/lib/exithand/history.db
    test -s /etc/exithand/lowmem.toml
    ",
);

/// What is left after it is looked at from outside.
pub(super) const PURGE: &str =
    "dpkg --purge exithand python3-exithand libexithand-dev libexithand0";

/// The tarball, in a system that has nothing of ours.
pub(super) const TARBALL: [Check; 2] = [
    (
        "the_program_of_the_tarball_stands_alone",
        r"
        cd /tmp
        sha256sum --check --ignore-missing SHA256SUMS
        tar --extract --file exithand-*.tar.gz
        mkdir alone
        cp exithand-*/bin/exithand alone
        chroot alone /exithand --version
        ",
    ),
    (
        "the_tarball_installs_and_uninstalls",
        r#"
        cd /tmp
        tar --extract --file exithand-*.tar.gz
        test -z "$(find exithand-*-linux ! -user root -o ! -group root -o ! -type l -perm /6022)"
        before=$(find /opt | sort)
        exithand-*-linux/install.sh /opt/tools
        /opt/tools/bin/exithand --version
        test -x /opt/tools/lib/exithand/exithand-lowmem
        grep -q '^ExecStart=/opt/tools/bin/exithand ' /opt/tools/lib/systemd/system/*.service
        MANPATH=/opt/tools/share/man man --where exithand-wait
        exithand-*-linux/install.sh --uninstall /opt/tools
        test -z "$(find /opt ! -type d)"
        rm -r /opt/tools
        "#,
    ),
];

/// Files that scripts find in /tmp.
pub(super) const PROGRAMS: [(&str, &str); 2] = [("program.c", IN_C), ("program.py", IN_PYTHON)];

/// Waits for a child by the library, and fails unless it hears the truth.
const IN_C: &str = r#"
#include <exithand.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    struct exithand_exit how;
    int handle, status;
    pid_t child = fork();
    if (child == 0)
        _exit(3);
    handle = exithand_open(child);
    if (handle < 0 || exithand_wait(handle, EXITHAND_UNTIL_ENDED, -1, &how) != 1)
        return 1;
    exithand_close(handle);
    if (waitpid(child, &status, 0) != child)
        return 2;
    printf("%d %d\n", how.wait_status, status);
    return how.kind == EXITHAND_EXITED && how.wait_status == status ? 0 : 3;
}
"#;

/// The same by the module.
const IN_PYTHON: &str = r#"
import importlib.metadata
import subprocess

import exithand

child = subprocess.Popen(["sh", "-c", "exit 3"])
with exithand.open(child.pid) as handle:
    end = handle.wait(timeout=60)
assert str(end) == "exited 3", end
assert child.wait() == 3
assert importlib.metadata.version("exithand") == exithand.__version__
"#;
