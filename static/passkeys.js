// Passkeys: a button with data-passkey requests a challenge from the server, lets the browser answer it, stores the answer in
// its form's hidden field and submits the form.
(() => {
  if (window.guildhallPasskeys) return;
  window.guildhallPasskeys = true;
  const toBytes = text => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0));
  const toBase64Url = buffer =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const withByteIds = credentials => (credentials || []).map(credential => ({ ...credential, id: toBytes(credential.id) }));

  async function register({ publicKey: options }) {
    const credential = await navigator.credentials.create({ publicKey: {
      ...options, challenge: toBytes(options.challenge), user: { ...options.user, id: toBytes(options.user.id) },
      excludeCredentials: withByteIds(options.excludeCredentials),
    } });
    const { attestationObject, clientDataJSON } = credential.response;
    return serialize(credential, {
      attestationObject: toBase64Url(attestationObject), clientDataJSON: toBase64Url(clientDataJSON),
      transports: credential.response.getTransports?.() || [],
    });
  }

  async function authenticate({ publicKey: options }) {
    const credential = await navigator.credentials.get({ publicKey: {
      ...options, challenge: toBytes(options.challenge), allowCredentials: withByteIds(options.allowCredentials),
    } });
    const { authenticatorData, clientDataJSON, signature, userHandle } = credential.response;
    return serialize(credential, {
      authenticatorData: toBase64Url(authenticatorData), clientDataJSON: toBase64Url(clientDataJSON),
      signature: toBase64Url(signature), userHandle: userHandle && toBase64Url(userHandle),
    });
  }

  const serialize = (credential, response) => JSON.stringify({
    id: credential.id, rawId: toBase64Url(credential.rawId), type: credential.type, response, extensions: {},
  });

  const messageFor = error => ({
    InvalidStateError: "This device has a passkey for you here already.",
    NotAllowedError: "That was cancelled, or took too long. Try again when you are ready.",
  })[error.name] || error.said || "The passkey could not be used. Try again, or use another way.";

  function showError(button, message) {
    const output = button.parentElement.querySelector("[data-passkey-error]");
    output.textContent = message;
    output.hidden = !message;
  }

  document.addEventListener("click", async event => {
    const button = event.target.closest?.("button[data-passkey]");
    if (!button || button.ariaBusy === "true") return;
    event.preventDefault();
    const form = button.form, proof = button.closest("[data-proof]");
    // The passkey replaces the other ways to confirm, so their fields are not validated; the rest of the form is.
    const otherFields = proof ? [...proof.querySelectorAll("input:not([type=hidden])")] : [];
    otherFields.forEach(field => (field.disabled = true));
    if (form.reportValidity()) {
      button.ariaBusy = "true";
      showError(button, "");
      try {
        if (!window.PublicKeyCredential) throw { said: "This browser does not support passkeys here. They need https, or localhost." };
        const answer = await fetch(button.dataset.passkey, { method: "POST", headers: { accept: "application/json" } });
        if (!answer.ok || answer.redirected) {
          throw { said: answer.status === 429 ? "Too many tries. Wait a little, then try again." : "" };
        }
        const challenge = await answer.json();
        form.elements[button.dataset.field].value = await (challenge.publicKey.user ? register : authenticate)(challenge);
        return form.requestSubmit();
      } catch (error) {
        showError(button, messageFor(error));
      } finally {
        button.ariaBusy = "false";
      }
    }
    otherFields.forEach(field => (field.disabled = false));
  });
})();
