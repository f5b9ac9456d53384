// Command hedger is a small hedging reverse proxy on Go's standard library, to compare headstart with.
//
// It does what Go's hedging libraries do. With -delay it starts the next attempt after a fixed time. With -quantile the
// delay is that quantile of how long its requests took in the last thirty to sixty seconds (of whole races, as they ended:
// the time of the winner), ten milliseconds until twenty have been seen, and a hedge takes a token from a bucket into which
// each request puts -budget per cent of one.
//
// What it does not do: judge upstreams, keep a deadline, or look into an answer. Any status wins.
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// proxy passes requests on to its upstreams in turn.
type proxy struct {
	upstreams []string
	hedges    int
	next      atomic.Uint64
	transport *http.Transport
	delay     func() time.Duration
	mayHedge  func() bool
	took      func(time.Duration)
	asked     func()
}

type attempt struct {
	number   int
	response *http.Response
	err      error
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	to := flag.String("to", "", "addresses of the upstreams, separated by commas")
	delay := flag.Duration("delay", 0, "fixed delay; 0: none is fixed")
	quantile := flag.Float64("quantile", 0, "of the latencies, as the delay; 0: the fixed one, or no hedging")
	budget := flag.Float64("budget", 10, "hedges in per cent of requests, with -quantile")
	hedges := flag.Int("hedges", 1, "hedges of a request at most")
	flag.Parse()

	p := &proxy{
		upstreams: strings.Split(*to, ","),
		hedges:    *hedges,
		transport: &http.Transport{
			MaxIdleConnsPerHost: 4096,
			IdleConnTimeout:     time.Minute,
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			DisableCompression:  true,
		},
		delay:    func() time.Duration { return *delay },
		mayHedge: func() bool { return true },
		took:     func(time.Duration) {},
		asked:    func() {},
	}
	switch {
	case *quantile > 0:
		seen := newWindows(time.Now())
		tokens := newBucket(*budget / 100)
		p.delay = func() time.Duration { return seen.quantile(*quantile) }
		p.mayHedge, p.took, p.asked = tokens.take, seen.add, tokens.put
	case *delay == 0:
		p.hedges = 0
	}
	log.Fatal(http.ListenAndServe(*listen, p))
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked()
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel() // ends the losers
	began := time.Now()
	won, err := p.race(ctx, r)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer won.Body.Close()
	for name, values := range won.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(won.StatusCode)
	_, _ = io.Copy(w, won.Body)
	p.took(time.Since(began))
}

// race returns the first answer. An attempt that fails begins the next one at once.
func (p *proxy) race(ctx context.Context, r *http.Request) (*http.Response, error) {
	first := p.next.Add(1)
	inbox := make(chan attempt, 1+p.hedges) // losers never block
	begin := func(number int) {
		upstream := p.upstreams[(first+uint64(number))%uint64(len(p.upstreams))]
		out := r.Clone(ctx)
		out.RequestURI, out.Host = "", ""
		out.URL.Scheme, out.URL.Host = "http", upstream
		out.Header.Set("x-attempt", strconv.Itoa(number))
		go func() {
			response, err := p.transport.RoundTrip(out)
			inbox <- attempt{number, response, err}
		}()
	}
	begin(0)
	begun, ended := 1, 0
	timer := time.NewTimer(p.delay())
	defer timer.Stop()
	for {
		due := timer.C
		if begun > p.hedges {
			due = nil
		}
		select {
		case <-due:
			if p.mayHedge() {
				begin(begun)
				begun++
			}
			timer.Reset(p.delay())
		case attempt := <-inbox:
			if attempt.err == nil {
				go drop(inbox, begun-ended-1)
				return attempt.response, nil
			}
			ended++
			if begun <= p.hedges {
				begin(begun)
				begun++
			} else if ended == begun {
				return nil, attempt.err
			}
		}
	}
}

// drop closes what else comes.
func drop(inbox <-chan attempt, count int) {
	for range count {
		if late := <-inbox; late.response != nil {
			late.response.Body.Close()
		}
	}
}
