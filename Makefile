# Installs what `cargo build --release` has built. For development see CONTRIBUTING.md.
#
#   make install PREFIX=/usr DESTDIR=/tmp/package
#
# The units for systemd go to `unitdir`, and the recorder's user to `sysusersdir`.

PREFIX ?= /usr/local
DESTDIR ?=
PROGRAM ?= target/release/exithand

unitdir ?= $(PREFIX)/lib/systemd/system
sysusersdir ?= $(PREFIX)/lib/sysusers.d

bin = $(DESTDIR)$(PREFIX)/bin
share = $(DESTDIR)$(PREFIX)/share
bash = $(share)/bash-completion/completions
zsh = $(share)/zsh/site-functions
fish = $(share)/fish/vendor_completions.d
licences = $(share)/doc/exithand
units = $(DESTDIR)$(unitdir)
sysusers = $(DESTDIR)$(sysusersdir)

.PHONY: install uninstall

install:
	@test -x $(PROGRAM) || { echo "no $(PROGRAM): run cargo build --release first" >&2; exit 1; }
	install -d $(bin) $(share)/man/man1 $(share)/man/man5 $(share)/man/man7 $(bash) $(zsh) $(fish) $(licences) $(units) $(sysusers)
	install -m 755 $(PROGRAM) $(bin)/exithand
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

uninstall:
	rm -f $(bin)/exithand $(bash)/exithand $(zsh)/_exithand $(fish)/exithand.fish
	for page in man/*.1; do rm -f $(share)/man/man1/$${page##*/}; done
	for page in man/*.5; do rm -f $(share)/man/man5/$${page##*/}; done
	for page in man/*.7; do rm -f $(share)/man/man7/$${page##*/}; done
	for unit in $(notdir $(wildcard dist/*.service)); do rm -f $(units)/$$unit; done
	rm -f $(sysusers)/exithand-recorder.conf
	rm -f $(licences)/LICENSE-MIT $(licences)/LICENSE-APACHE
	test ! -d $(licences) || rmdir $(licences)
