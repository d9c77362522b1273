/* Runs a program and lets one of its calls that change a file system fail.
 *
 *   inject NUMBER ERRNO FOLDER REPORT PROGRAM [ARGUMENT...]
 *
 * Calls are counted from 1; NUMBER 0 lets all succeed. Calls on descriptors count only where these lead below FOLDER.
 * The file REPORT gets the number of calls counted and the name of the one that failed. The exit status is the
 * program's. The kernel stops each such call and asks this process (seccomp user notification), so that programs that
 * enter the kernel without the C library are met too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum kind { PATH, OPEN, DESCRIPTOR };

struct call {
    int number;
    enum kind kind;
    const char *name;
};

#define CALL(name, kind) { __NR_##name, kind, #name }

static const struct call calls[] = {
    CALL(openat, OPEN),
    CALL(mkdirat, PATH), CALL(mknodat, PATH), CALL(linkat, PATH), CALL(symlinkat, PATH),
    CALL(unlinkat, PATH), CALL(renameat2, PATH), CALL(fchmodat, PATH), CALL(fchownat, PATH),
    CALL(utimensat, PATH), CALL(setxattr, PATH), CALL(lsetxattr, PATH), CALL(removexattr, PATH),
    CALL(write, DESCRIPTOR), CALL(pwrite64, DESCRIPTOR), CALL(writev, DESCRIPTOR),
    CALL(pwritev, DESCRIPTOR), CALL(ftruncate, DESCRIPTOR), CALL(fallocate, DESCRIPTOR),
    CALL(fchmod, DESCRIPTOR), CALL(fchown, DESCRIPTOR), CALL(fsetxattr, DESCRIPTOR),
    CALL(fremovexattr, DESCRIPTOR), CALL(fsync, DESCRIPTOR), CALL(fdatasync, DESCRIPTOR),
    CALL(syncfs, DESCRIPTOR),
#ifdef __NR_renameat
    CALL(renameat, PATH),
#endif
#ifdef __NR_mkdir
    CALL(mkdir, PATH), CALL(rmdir, PATH), CALL(rename, PATH), CALL(unlink, PATH), CALL(link, PATH),
    CALL(symlink, PATH), CALL(chmod, PATH), CALL(chown, PATH), CALL(lchown, PATH),
#endif
};

#define CALLS (sizeof calls / sizeof calls[0])

static void fail(const char *what) {
    perror(what);
    _exit(125);
}

static int listen_to_own_calls(void) {
    struct sock_filter filter[2 * CALLS + 2];
    size_t at = 0;
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < CALLS; i++) {
        filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
        filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    }
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { .len = at, .filter = filter };
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        fail("no new privileges");
    int listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    if (listener < 0)
        fail("seccomp");
    return listener;
}

static void hand_over(int socket, int descriptor) {
    char byte = 0, room[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec data = { &byte, 1 };
    struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    if (sendmsg(socket, &message, 0) != 1)
        fail("sendmsg");
}

static int take_over(int socket) {
    char byte, room[CMSG_SPACE(sizeof(int))];
    struct iovec data = { &byte, 1 };
    struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room };
    int descriptor;
    if (recvmsg(socket, &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
        fail("recvmsg");
    memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
}

static int leads_below(pid_t process, int descriptor, const char *folder) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/%d/fd/%d", process, descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strncmp(path, folder, strlen(folder)) == 0;
}

/* The call, if it is one that counts. */
static const struct call *counted(const struct seccomp_notif *asked, const char *folder) {
    for (size_t i = 0; i < CALLS; i++) {
        if (calls[i].number != asked->data.nr)
            continue;
        switch (calls[i].kind) {
        case OPEN:
            return asked->data.args[2] & O_CREAT ? &calls[i] : NULL;
        case DESCRIPTOR:
            return leads_below(asked->pid, (int)asked->data.args[0], folder) ? &calls[i] : NULL;
        case PATH:
            return &calls[i];
        }
    }
    return NULL;
}

int main(int count, char **words) {
    if (count < 6)
        return 125;
    long wanted = atol(words[1]), seen = 0;
    int code = atoi(words[2]), sockets[2], status = 0;
    const char *folder = words[3], *failed = "-";
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
        fail("socketpair");
    pid_t child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, 9);
        hand_over(sockets[1], listen_to_own_calls());
        execv(words[5], words + 5);
        fail("exec");
    }
    int listener = take_over(sockets[0]);
    struct pollfd waiting = { .fd = listener, .events = POLLIN };
    while (waitpid(child, &status, WNOHANG) == 0) {
        struct seccomp_notif asked = { 0 };
        if (poll(&waiting, 1, 20) <= 0 || !(waiting.revents & POLLIN))
            continue;
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked))
            continue;
        struct seccomp_notif_resp answer = { .id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE };
        const struct call *call = counted(&asked, folder);
        if (call && ++seen == wanted) {
            answer.flags = 0;
            answer.error = -code;
            failed = call->name;
        }
        /* A caller that was killed meanwhile takes no answer. */
        (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
    FILE *report = fopen(words[4], "w");
    if (!report || fprintf(report, "%ld %s\n", seen, failed) < 0 || fclose(report))
        fail("report");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 124;
}
