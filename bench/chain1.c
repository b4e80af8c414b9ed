/* The consolidated work of chain 1 (MazuNat -> Maglev -> Monitor -> IPFilter), written by hand.
 *
 * It is the yardstick of `nfuse bench chain1`, not a part of nfuse: what a C programmer would write who knows the outcome of
 * the chain in advance. It uses the same packet descriptors, the same hash index (twelve one-byte tags and values in a
 * cache line, overflow counts), the same keys, the same distance between flow control blocks, prefetches index and blocks
 * well ahead as nfuse does, and does for each subsequent packet what nfuse does:
 *
 *   - check and parse Ethernet, 802.1Q, IPv4 (no options cut off, no lying lengths, no fragment), TCP, UDP;
 *   - advance the clock, check that no session is due, hash the key, find the session, compare the whole key;
 *   - check that the session has not expired and that its record is of this generation;
 *   - count packets and bytes by direction, note the time and the TCP flags (Monitor);
 *   - rewrite addresses and ports, update both checksums by precomputed sums (RFC 1624, equation 3);
 *   - track the TCP state, refresh the deadline, list the packet for output, count packets and bytes.
 *
 * Sessions are entered with chain1_add from what nfuse made of the first packets, so that the outputs must be equal.
 * Little endian; build: cc -O3 -march=native -shared -fPIC.
 */
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <immintrin.h>
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t i64;

enum {
    SLOTS = 12,
    RING = 32,  /* packets between their parsing and their turn */
    NEAR = 12,  /* so many packets ahead, their session is prefetched; */
    FAR = 24,   /* so many, they are parsed and their line of the index is; */
    FRAME = 48  /* so many, their frame is */
};

typedef struct { /* a packet descriptor: see nfuse.packet.desc */
    u8 *addr;
    i64 ts;
    u32 len, wire, flags;
    u16 l3, l4, pay, etype;
    u8 proto, link, side, bad;
    u16 sport, dport;
    u32 hash;
    u16 room;
    u8 inport, vlans;
    u32 frag;
    i64 user;
} desc;

typedef struct { /* a line of the index: see nfuse.flow.index */
    u8 tag[SLOTS];
    u32 overflow;
    u32 value[SLOTS];
} bucket;

typedef struct { /* what one direction of a session gets */
    u32 src, dst;
    u16 sport, dport;
    u16 ip_delta, l4_delta;
} rewrite;

typedef struct { /* what a packet touches fills two cache lines; blocks are as far apart as nfuse's are */
    i64 deadline, number;
    u32 prev, next;
    u16 slot;
    u8 state, pclass;
    u16 generation;
    u8 tcp_flags[2];
    u8 key[2][14]; /* opener, reply */
    u32 duration;  /* ms */
    rewrite action[2];
    u64 bytes[2];
    u32 packets[2];
    i64 first;
} session;

_Static_assert(sizeof(session) == 128, "two cache lines");

typedef struct {
    bucket *index;
    u64 mask;
    u8 *pool;
    i64 size; /* bytes of a flow control block */
    i64 timeout[4][4];
    i64 clock, due;
    u16 generation;
    u64 packets_in, bytes_in, packets_out, bytes_out, missed;
} table;

static inline u64 load64(const void *p) { u64 v; memcpy(&v, p, 8); return v; }
static inline u32 load32(const void *p) { u32 v; memcpy(&v, p, 4); return v; }
static inline u16 load16(const void *p) { u16 v; memcpy(&v, p, 2); return v; }
static inline u16 load16be(const void *p) { return __builtin_bswap16(load16(p)); }
static inline void store16(void *p, u16 v) { memcpy(p, &v, 2); }
static inline void store32(void *p, u32 v) { memcpy(p, &v, 4); }

static inline u64 fold64(u64 x, u64 y)
{
    unsigned __int128 product = (unsigned __int128)x * y;
    return (u64)(product >> 64) ^ (u64)product;
}

static inline u64 hash4(u64 a, u64 bc)
{
    return fold64(fold64(a ^ 0x243F6A8885A308D3u, bc ^ 0x13198A2E03707345u), 0x24093822299F31D1u);
}

static inline u8 tag_of(u64 h) { return (u8)((h >> 56) + ((h >> 56) == 0)); }

/* Bit i stands for slot i. */
static inline u32 matches(const bucket *b, u8 tag)
{
#ifdef __SSE2__
    __m128i tags = _mm_loadu_si128((const __m128i *)b->tag);
    return (u32)_mm_movemask_epi8(_mm_cmpeq_epi8(tags, _mm_set1_epi8((char)tag))) & 0xFFF;
#else
    u32 found = 0;
    for (u32 i = 0; i < SLOTS; i++) found |= (u32)(b->tag[i] == tag) << i;
    return found;
#endif
}

static inline session *at(const table *t, u32 value) { return (session *)(t->pool + (i64)(value >> 2) * t->size); }

static inline int same(const session *s, u32 kind, u64 a, u64 bc)
{
    const u8 *key = s->key[kind];
    return ((load64(key) ^ a) | (((load32(key + 8) | (u64)load16(key + 12) << 32)) ^ bc)) == 0;
}

static u32 find(const table *t, u64 h, u64 a, u64 bc)
{
    for (u64 number = h & t->mask;; number = (number + 1) & t->mask) {
        const bucket *b = t->index + number;
        for (u32 found = matches(b, tag_of(h)); found; found &= found - 1) {
            u32 value = b->value[__builtin_ctz(found)];
            if (same(at(t, value), value & 3, a, bc)) return value;
        }
        if (b->overflow == 0) return 0;
    }
}

static void insert(table *t, u64 h, u32 value)
{
    for (u64 number = h & t->mask;; number = (number + 1) & t->mask) {
        bucket *b = t->index + number;
        u32 free = matches(b, 0);
        if (free) {
            u32 slot = (u32)__builtin_ctz(free);
            b->value[slot] = value;
            b->tag[slot] = tag_of(h);
            return;
        }
        b->overflow++;
    }
}

u64 chain1_table_size(void) { return sizeof(table); }
u64 chain1_session_size(void) { return sizeof(session); }

void chain1_open(table *t, void *index, u64 mask, void *pool, i64 size, const i64 *timeouts)
{
    memset(t, 0, sizeof *t);
    t->index = index;
    t->mask = mask;
    t->pool = pool;
    t->size = size;
    t->generation = 1;
    t->due = INT64_MAX;
    memcpy(t->timeout, timeouts, sizeof t->timeout);
}

static u16 fold16(u64 sum)
{
    while (sum >> 16) sum = (sum & 0xFFFF) + (sum >> 16);
    return (u16)sum;
}

/* Sums of ~m + m' (RFC 1624) for a rewrite of `before` (12 bytes: addresses, ports in network order) to `after`. */
static void deltas(rewrite *r, const u8 *before, const u8 *after)
{
    u64 ip = 0, ports = 0;
    for (int i = 0; i < 8; i += 2) ip += (u16)~load16be(before + i) + (u64)load16be(after + i);
    for (int i = 8; i < 12; i += 2) ports += (u16)~load16be(before + i) + (u64)load16be(after + i);
    r->src = load32(after);
    r->dst = load32(after + 4);
    r->sport = load16(after + 8);
    r->dport = load16(after + 10);
    r->ip_delta = fold16(ip);
    r->l4_delta = fold16(ip + ports);
}

static void store_key(u8 *key, const u8 *tuple, u8 proto)
{
    memcpy(key, tuple, 8);
    store16(key + 8, load16be(tuple + 8));
    store16(key + 10, load16be(tuple + 10));
    key[12] = proto;
    key[13] = 0;
}

static void mirror(u8 *out, const u8 *tuple)
{
    memcpy(out, tuple + 4, 4);
    memcpy(out + 4, tuple, 4);
    memcpy(out + 8, tuple + 10, 2);
    memcpy(out + 10, tuple + 8, 2);
}

/* Enter `count` sessions; `before` and `after` are 12 bytes each (src, dst, sport, dport as in the packet). */
void chain1_add(table *t, i64 count, const u8 *before, const u8 *after, const u8 *proto, i64 now_ms)
{
    for (i64 i = 0; i < count; i++, before += 12, after += 12) {
        session *s = (session *)(t->pool + (i + 1) * t->size);
        u8 reply_in[12], reply_out[12];
        mirror(reply_in, after);
        mirror(reply_out, before);
        memset(s, 0, sizeof *s);
        s->number = i + 1;
        s->first = now_ms * 1000000;
        s->generation = t->generation;
        s->pclass = proto[i] == 6 ? 0 : 1;
        s->deadline = now_ms + t->timeout[s->pclass][0];
        store_key(s->key[0], before, proto[i]);
        store_key(s->key[1], reply_in, proto[i]);
        deltas(&s->action[0], before, after);
        deltas(&s->action[1], reply_in, reply_out);
        for (u32 kind = 0; kind < 2; kind++) {
            const u8 *key = s->key[kind];
            u64 bc = load32(key + 8) | (u64)load16(key + 12) << 32;
            insert(t, hash4(load64(key), bc), (u32)(i + 1) << 2 | kind);
        }
    }
}

static inline void update(u8 *field, u16 delta)
{
    u32 sum = (u16)~load16be(field) + (u32)delta;
    sum = (sum & 0xFFFF) + (sum >> 16);
    store16(field, __builtin_bswap16((u16) ~((sum & 0xFFFF) + (sum >> 16))));
}

static inline void update_udp(u8 *field, u16 delta)
{
    if (load16(field) == 0) return;
    update(field, delta);
    if (load16(field) == 0) store16(field, 0xFFFF);
}

typedef struct {
    u8 *ip, *l4;
    u64 a, bc, h;
    u32 value;
    u8 proto, tcp_flags, good;
} parsed;

/* Parse one packet; 0 if it is not for the fast path. */
static inline int parse(const desc *d, parsed *p)
{
    u8 *frame = d->addr;
    u32 len = d->len, l3 = 14;
    if (d->link != 1 || len < 34) return 0;
    u16 type = load16be(frame + 12);
    while (type == 0x8100 || type == 0x88A8) {
        if (len < l3 + 4 + 20) return 0;
        type = load16be(frame + l3 + 2);
        l3 += 4;
    }
    u8 *ip = frame + l3;
    if (type != 0x0800 || ip[0] >> 4 != 4) return 0;
    u32 header = (ip[0] & 15u) * 4, total = load16be(ip + 2);
    if (header < 20 || total < header || l3 + total > d->wire || l3 + header > len) return 0;
    if (load16be(ip + 6) & 0x3FFF) return 0;
    u32 l4 = l3 + header, body = total - header;
    u8 *t = frame + l4;
    p->proto = ip[9];
    p->tcp_flags = 0;
    if (p->proto == 6) {
        if (body < 20 || l4 + 20 > len) return 0;
        u32 offset = (t[12] >> 4) * 4;
        if (offset < 20 || offset > body || l4 + offset > len) return 0;
        p->tcp_flags = t[13];
    } else if (p->proto == 17) {
        if (body < 8 || l4 + 8 > len) return 0;
        u32 length = load16be(t + 4);
        if (length < 8 || length > body) return 0;
    } else {
        return 0;
    }
    u64 ports = (u64)load16be(t) | (u64)load16be(t + 2) << 16;
    p->ip = ip;
    p->l4 = t;
    p->a = load64(ip + 12);
    p->bc = ports | (u64)p->proto << 32 | (u64)d->side << 40;
    p->h = hash4(p->a, p->bc);
    return 1;
}

static inline void look_far(const table *t, const desc *d, parsed *p)
{
    p->good = (u8)parse(d, p);
    __builtin_prefetch(t->index + (p->h & t->mask));
}

static inline void look_near(const table *t, parsed *p)
{
    const bucket *b = t->index + (p->h & t->mask);
    u32 found = matches(b, tag_of(p->h));
    p->value = found ? b->value[__builtin_ctz(found)] : 0;
    const u8 *s = (const u8 *)at(t, p->value);
    __builtin_prefetch(s, 1);
    __builtin_prefetch(s + 64, 1);
}

/* Process `count` packets; writes the indexes of those that leave to `order` and returns how many. */
i64 chain1_run(table *t, desc *d, i64 count, int32_t *order)
{
    static const u8 next_state[4] = {0, 1, 2, 2};
    parsed ring[RING] = {0};
    i64 out = 0;
    u64 bytes_in = 0, bytes_out = 0, missed = 0;
    i64 clock = t->clock;
    for (i64 i = 0; i < FRAME && i < count; i++) __builtin_prefetch(d[i].addr, 1);
    for (i64 i = 0; i < FAR && i < count; i++) look_far(t, d + i, ring + i % RING);
    for (i64 i = 0; i < NEAR && i < count; i++) look_near(t, ring + i % RING);
    for (i64 i = 0; i < count; i++) {
        if (i + FRAME < count) __builtin_prefetch(d[i + FRAME].addr, 1);
        if (i + FAR < count) look_far(t, d + i + FAR, ring + (i + FAR) % RING);
        if (i + NEAR < count) look_near(t, ring + (i + NEAR) % RING);
        const parsed *p = ring + i % RING;
        if (d[i].ts > clock) clock = d[i].ts;
        i64 ms = clock / 1000000;
        bytes_in += d[i].wire;
        u32 value = 0;
        if (p->good && ms < t->due) {
            value = p->value;
            if (!value || !same(at(t, value), value & 3, p->a, p->bc)) value = find(t, p->h, p->a, p->bc);
        }
        session *s = at(t, value);
        u32 way = value & 1;
        if (!value || s->deadline <= ms || s->generation != t->generation) {
            missed++;
            continue;
        }
        s->packets[way]++;
        s->bytes[way] += d[i].wire;
        s->duration = (u32)((clock - s->first) / 1000000);
        s->tcp_flags[way] |= p->tcp_flags;
        const rewrite *r = &s->action[way];
        store32(p->ip + 12, r->src);
        store32(p->ip + 16, r->dst);
        store16(p->l4, r->sport);
        store16(p->l4 + 2, r->dport);
        update(p->ip + 10, r->ip_delta);
        if (p->proto == 6) update(p->l4 + 16, r->l4_delta);
        else update_udp(p->l4 + 6, r->l4_delta);
        if (way) s->state |= 1;
        if (p->tcp_flags & 5) s->state |= 2;
        s->deadline = ms + t->timeout[s->pclass][next_state[s->state & 3]];
        bytes_out += d[i].wire;
        order[out++] = (int32_t)i;
    }
    t->clock = clock;
    t->packets_in += (u64)count;
    t->bytes_in += bytes_in;
    t->packets_out += (u64)out;
    t->bytes_out += bytes_out;
    t->missed += missed;
    return out;
}

void chain1_counters(const table *t, u64 *out)
{
    out[0] = t->packets_in;
    out[1] = t->bytes_in;
    out[2] = t->packets_out;
    out[3] = t->bytes_out;
    out[4] = t->missed;
}
