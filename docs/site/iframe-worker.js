// The search runs in a worker, which browsers do not start from file://. There a hidden frame stands in its place.
class FrameWorker extends EventTarget {
  constructor(url) {
    super();
    this.frame = document.createElement("iframe");
    this.frame.hidden = true;
    document.body.append(this.frame);
    const inside = this.frame.contentWindow;
    inside.document.open();
    inside.document.write(
      `<script>postMessage = parent.postMessage.bind(parent)<\/script><script src="${url}"><\/script>`,
    );
    this.ready = new Promise((resolve) => inside.addEventListener("load", resolve, { once: true }));
    inside.document.close();
    addEventListener("message", (event) => {
      if (event.source !== inside) return;
      event.stopImmediatePropagation();
      const message = new MessageEvent("message", { data: event.data });
      this.dispatchEvent(message);
      this.onmessage?.(message);
    });
  }

  async postMessage(data) {
    await this.ready;
    this.frame.contentWindow.dispatchEvent(new MessageEvent("message", { data: structuredClone(data) }));
  }

  terminate() {
    this.frame.remove();
  }
}

if (location.protocol === "file:") window.Worker = FrameWorker;
