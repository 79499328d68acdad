// The header is C++, too, and a handle is easily given an owner.
#include <cerrno>
#include <csignal>
#include <string>
#include <system_error>
#include <utility>

#include "check.h"

namespace {

int checked(int result)
{
    if (result < 0)
        throw std::system_error(-result, std::generic_category());
    return result;
}

class Handle {
public:
    explicit Handle(int descriptor) : descriptor_(checked(descriptor)) {}
    Handle(Handle &&other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
    Handle(const Handle &) = delete;
    Handle &operator=(const Handle &) = delete;
    ~Handle() { exithand_close(descriptor_); }

    exithand_exit wait() const
    {
        exithand_exit how;
        checked(exithand_wait(descriptor_, EXITHAND_UNTIL_ENDED, -1, &how));
        return how;
    }

    std::string token() const
    {
        char token[EXITHAND_TOKEN_SIZE];
        checked(exithand_token(descriptor_, EXITHAND_TOKEN_STORED, token, sizeof token));
        return token;
    }

private:
    int descriptor_;
};

}  // namespace

int main(int argc, char **argv)
{
    pass_if_told(argc, argv);
    target child = start(3);
    Handle opened(open_pid(argv[0], child.pid));
    Handle handle = std::move(opened);
    const std::string token = handle.token();
    CHECK(token.find('@') != std::string::npos);
    let_end(&child);
    const exithand_exit how = handle.wait();
    CHECK_INT(how.wait_status, reap(child.pid));
    CHECK_INT(exithand_exit_code(&how), 3);
    try {
        Handle none(exithand_open(-1));
        return 1;
    } catch (const std::system_error &error) {
        CHECK(error.code() == std::errc::invalid_argument);
    }
    return 0;
}
