# Installs what `cargo build --release` has built; and libexithand, the library for C, if
# `cargo build --profile library -p exithand-capi` has. For development see CONTRIBUTING.md.
#
#   make install PREFIX=/usr DESTDIR=/tmp/package
#
# The units for systemd go to `unitdir`, the recorder's user to `sysusersdir`, and libexithand to
# `libdir` and `includedir`. `exithand lowmem` finds its killer in `PREFIX/lib/exithand` only. `make install-library` installs libexithand alone.

PREFIX ?= /usr/local
DESTDIR ?=
PROGRAM ?= target/release/exithand
KILLER ?= $(dir $(PROGRAM))exithand-lowmem
ARCHIVE ?= target/library/libexithand_capi.a
VERSION := $(shell sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)

unitdir ?= $(PREFIX)/lib/systemd/system
sysusersdir ?= $(PREFIX)/lib/sysusers.d
libdir ?= $(PREFIX)/lib
includedir ?= $(PREFIX)/include

bin = $(DESTDIR)$(PREFIX)/bin
share = $(DESTDIR)$(PREFIX)/share
bash = $(share)/bash-completion/completions
zsh = $(share)/zsh/site-functions
fish = $(share)/fish/vendor_completions.d
licences = $(share)/doc/exithand
units = $(DESTDIR)$(unitdir)
sysusers = $(DESTDIR)$(sysusersdir)
killers = $(DESTDIR)$(PREFIX)/lib/exithand
lib = $(DESTDIR)$(libdir)
include = $(DESTDIR)$(includedir)
capi = crates/exithand-capi

.PHONY: install install-command install-library uninstall

install: install-command $(if $(wildcard $(ARCHIVE)),install-library)

install-command:
	@for program in $(PROGRAM) $(KILLER); do \
	  test -x $$program || { echo "no $$program: run cargo build --release first" >&2; exit 1; }; done
	install -d $(bin) $(share)/man/man1 $(share)/man/man5 $(share)/man/man7 $(bash) $(zsh) $(fish) $(licences) $(units) $(sysusers) $(killers)
	install -m 755 $(PROGRAM) $(bin)/exithand
	install -m 755 $(KILLER) $(killers)/exithand-lowmem
	install -m 644 man/*.1 $(share)/man/man1
	install -m 644 man/*.5 $(share)/man/man5
	for page in man/*.7; do test ! -e $$page || install -m 644 $$page $(share)/man/man7; done
	$(PROGRAM) completions bash > $(bash)/exithand
	$(PROGRAM) completions zsh > $(zsh)/_exithand
	$(PROGRAM) completions fish > $(fish)/exithand.fish
	install -m 644 LICENSE-MIT LICENSE-APACHE $(licences)
	for unit in $(notdir $(wildcard dist/*.service)); do \
	  sed 's|/usr/bin/exithand|$(PREFIX)/bin/exithand|' dist/$$unit > $(units)/$$unit && chmod 644 $(units)/$$unit || exit; done
	install -m 644 dist/exithand-recorder.sysusers $(sysusers)/exithand-recorder.conf

install-library:
	@test -e $(ARCHIVE) || { echo "no $(ARCHIVE): run cargo build --profile library -p exithand-capi first" >&2; exit 1; }
	install -d $(lib)/pkgconfig $(include) $(share)/man/man3 $(licences)
	$(capi)/link-shared $(ARCHIVE) $(VERSION) $(lib)
	install -m 644 $(ARCHIVE) $(lib)/libexithand.a
	install -m 644 $(capi)/exithand.h $(include)/exithand.h
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(libdir)|; s|@INCLUDEDIR@|$(includedir)|; s|@VERSION@|$(VERSION)|' \
	  $(capi)/exithand.pc.in > $(lib)/pkgconfig/exithand.pc && chmod 644 $(lib)/pkgconfig/exithand.pc
	install -m 644 man/*.3 $(share)/man/man3
	install -m 644 LICENSE-MIT LICENSE-APACHE $(licences)

uninstall:
	rm -f $(bin)/exithand $(bash)/exithand $(zsh)/_exithand $(fish)/exithand.fish
	for page in man/*.1; do rm -f $(share)/man/man1/$${page##*/}; done
	for page in man/*.5; do rm -f $(share)/man/man5/$${page##*/}; done
	for page in man/*.7; do rm -f $(share)/man/man7/$${page##*/}; done
	for page in man/*.3; do rm -f $(share)/man/man3/$${page##*/}; done
	rm -f $(lib)/libexithand.so $(lib)/libexithand.so.* $(lib)/libexithand.a
	rm -f $(include)/exithand.h $(lib)/pkgconfig/exithand.pc
	for unit in $(notdir $(wildcard dist/*.service)); do rm -f $(units)/$$unit; done
	rm -f $(sysusers)/exithand-recorder.conf $(killers)/exithand-lowmem
	test ! -d $(killers) || rmdir --ignore-fail-on-non-empty $(killers)
	rm -f $(licences)/LICENSE-MIT $(licences)/LICENSE-APACHE
	test ! -d $(licences) || rmdir $(licences)
