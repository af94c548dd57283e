package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// secret is the one the benchmarks sign with; it opens nothing.
const secret = "stub-secret"

// verify names what is wrong with a request, or nothing.
func verify(r *http.Request, operation string, body []byte) string {
	if !signatureFits(r, body) {
		return "the signature does not fit"
	}
	if operation != "BatchWriteItem" {
		return ""
	}
	var request struct {
		RequestItems map[string][]map[string]map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return "no JSON of BatchWriteItem"
	}
	for _, requests := range request.RequestItems {
		if len(requests) > 25 {
			return "more than 25 items"
		}
		seen := map[string]bool{}
		for _, each := range requests {
			key := string(each["PutRequest"]["Item"]["id"]) + string(each["DeleteRequest"]["Key"]["id"])
			if seen[key] {
				return "Provided list of item keys contains duplicates"
			}
			seen[key] = true
		}
	}
	return ""
}

// signatureFits computes Signature Version 4 anew, from the headers that were signed:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func signatureFits(r *http.Request, body []byte) bool {
	parts := map[string]string{}
	_, fields, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	for _, field := range strings.Split(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		parts[name] = value
	}
	scope := strings.Split(parts["Credential"], "/")
	if len(scope) != 5 {
		return false
	}
	var canonical strings.Builder
	canonical.WriteString("POST\n/\n\n")
	for _, name := range strings.Split(parts["SignedHeaders"], ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		canonical.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	canonical.WriteString("\n" + parts["SignedHeaders"] + "\n" + hash(body))
	toSign := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" +
		strings.Join(scope[1:], "/") + "\n" + hash([]byte(canonical.String()))
	key := []byte("AWS4" + secret)
	for _, part := range scope[1:] {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, toSign)) == parts["Signature"]
}

func hash(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// selfSigned makes a certificate for 127.0.0.1 and localhost, which is its own CA.
func selfSigned(dir string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), text, 0o600); err != nil {
		return nil, err
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{certificate}}, nil
}
